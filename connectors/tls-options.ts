import type { OptionProperty } from '../src/connector/connector.ts'

const text = { type: 'string', minLength: 1 }
const secret = { ...text, writeOnly: true }

/** How a client of TLS trusts and is trusted; PEM texts. */
export const tlsOptions = {
  ca: { description: 'Certificates of the authorities to trust.', ...text },
  cert: { description: 'The certificate that this client shows.', ...text },
  key: { description: 'The private key of that certificate.', ...secret },
  passphrase: { description: 'The passphrase of that key.', ...secret },
  server_name: { description: 'The name to expect in the certificate of the server.', ...text },
} as const satisfies Readonly<Record<string, OptionProperty>>

/** What Node's `tls` takes of these options. */
export interface TLSSettings {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly servername?: string
}

export function tlsSettingsOf(options: Readonly<Record<string, unknown>> = {}): TLSSettings {
  const { server_name: servername, ...others } = options
  const named = servername === undefined ? others : { ...others, servername }
  const known = ['ca', 'cert', 'key', 'passphrase', 'servername']
  return Object.fromEntries(Object.entries(named).filter(([name]) => known.includes(name)))
}
