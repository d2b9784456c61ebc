import { Agent as HTTPAgent, type IncomingMessage, request as requestHTTP } from 'node:http'
import { Agent as HTTPSAgent, request as requestHTTPS } from 'node:https'
import { connect as connectPlainly, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTLS } from 'node:tls'
import type { TLSSettings } from '../tls-options.ts'
import { PrivateAddressError } from './guarded-lookup.ts'
import { isPublicAddress } from './public-address.ts'

export interface HTTPClientOptions {
  readonly url: URL
  readonly method: string
  readonly tls: TLSSettings
  /** From the beginning of a request to the end of its answer, ms. */
  readonly timeoutMs: number
  /** Judges where a host leads; `null`: anywhere. */
  readonly lookup: LookupFunction | null
  /** Connections at a time. */
  readonly connectionsMax: number
}

/** What a server has answered; redirects are not followed. */
export interface HTTPAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The beginning of the body. */
  readonly text: string
}

/** What is looked at of a body, bytes. */
const bodyBytesMax = 1024

/** Sends requests to one URL, over connections that stay open. */
export class HTTPClient {
  readonly #options: HTTPClientOptions
  readonly #agent: HTTPAgent

  constructor(options: HTTPClientOptions) {
    this.#options = options
    const agentOptions = { keepAlive: true, maxSockets: options.connectionsMax }
    this.#agent = isSecure(options)
      ? new HTTPSAgent({ ...agentOptions, ...options.tls })
      : new HTTPAgent(agentOptions)
  }

  /** @throws {Error} no answer came: not reachable, not trusted, not permitted, not in time */
  send(body: string, headers: Readonly<Record<string, string>>): Promise<HTTPAnswer> {
    const { url, method, lookup, timeoutMs } = this.#options
    this.#refusePrivateLiteral()
    const request = isSecure(this.#options) ? requestHTTPS : requestHTTP
    const signal = AbortSignal.timeout(timeoutMs)
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error)
      const sent = request(
        url,
        {
          method,
          agent: this.#agent,
          signal,
          headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
          ...(lookup === null ? {} : { lookup }),
        },
        (response) => {
          readBeginning(response).then((text) => {
            const { statusCode = 0, headers: answered } = response
            resolve({ status: statusCode, headers: flat(answered), text })
          }, fail)
        },
      )
      sent.on('error', fail)
      sent.end(body)
    })
  }

  /** Connects, with TLS where the URL says so, and sends nothing. @throws as `send` */
  connect(): Promise<void> {
    const { url, tls, lookup, timeoutMs } = this.#options
    this.#refusePrivateLiteral()
    const host = hostOf(url)
    const port = Number(url.port) || (isSecure(this.#options) ? 443 : 80)
    const target = { host, port, ...(lookup === null ? {} : { lookup }) }
    return new Promise((resolve, reject) => {
      let socket: Socket
      const done = () => {
        socket.destroy()
        resolve()
      }
      if (isSecure(this.#options)) {
        const servername = isIP(host) === 0 ? { servername: host } : {}
        socket = connectTLS({ ...target, ...servername, ...tls }, done)
      } else socket = connectPlainly(target, done)
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no connection in time')))
      socket.on('error', reject)
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Nobody asks `lookup` for a host that is an address already. */
  #refusePrivateLiteral(): void {
    const host = hostOf(this.#options.url)
    if (this.#options.lookup === null || isIP(host) === 0 || isPublicAddress(host)) return
    throw new PrivateAddressError(host, host)
  }
}

/** A URL's host; URLs know one spelling of an address only: `2130706433` is 127.0.0.1 by then. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}

function isSecure({ url }: Pick<HTTPClientOptions, 'url'>): boolean {
  return url.protocol === 'https:'
}

/** Reads to the end, or gives up the connection where the body is long. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > bodyBytesMax) break
  }
  return Buffer.concat(chunks).subarray(0, bodyBytesMax).toString()
}

function flat(headers: IncomingMessage['headers']): Record<string, string | undefined> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value[0] : value,
  ])
  return Object.fromEntries(entries)
}
