/** Where the API listens. */
export interface ListenAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

export const defaultListenAddress: ListenAddress = { host: '127.0.0.1', port: 7474 }

/** Reads `127.0.0.1:7474`, `[::1]:7474`, `host:7474`, or `7474` of this machine alone. */
export function parseListenAddress(text: string): ListenAddress | { readonly problem: string } {
  const parts = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):)?(\d{1,5})$/.exec(text)
  const port = Number(parts?.[3])
  if (parts === null || port > 65_535) {
    return { problem: `expected an address such as \`127.0.0.1:7474\`, got \`${text}\`` }
  }
  return { host: parts[1] ?? parts[2] ?? defaultListenAddress.host, port }
}

/** Whether only this machine reaches it. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** As it stands in a URL. */
export function addressText({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
