import { readFileSync } from 'node:fs'
import {
  createServer as createHTTPServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createHTTPSServer } from 'node:https'
import type { AddressInfo } from 'node:net'

const certificates = new URL('./certificates/', import.meta.url)
/** A certificate of localhost that signs itself, and its key. */
export const localhostCertificate = readFileSync(new URL('localhost.pem', certificates), 'utf8')
export const localhostKey = readFileSync(new URL('localhost.key.pem', certificates), 'utf8')

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Answers a request; default: 204. */
export type Answer = (response: ServerResponse, request: ReceivedRequest) => void

/** A real HTTP server that keeps what it is sent. */
export interface HTTPReceiver {
  readonly url: string
  readonly port: number
  readonly requests: ReceivedRequest[]
  /** How the next requests are answered, one each; then as by default. */
  readonly answers: Answer[]
  close(): Promise<void>
}

export async function startHTTPReceiver({
  secure = false,
  port = 0,
}: {
  readonly secure?: boolean
  readonly port?: number
} = {}): Promise<HTTPReceiver> {
  const requests: ReceivedRequest[] = []
  const answers: Answer[] = []
  const listener: RequestListener = (incoming, response) => {
    let body = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => {
      body += chunk
    })
    incoming.on('end', () => {
      const { method = '', url: path = '', headers } = incoming
      const request = { method, path, headers, body }
      requests.push(request)
      const answer = answers.shift()
      if (answer === undefined) response.writeHead(204).end()
      else answer(response, request)
    })
  }
  const server = secure
    ? createHTTPSServer({ cert: localhostCertificate, key: localhostKey }, listener)
    : createHTTPServer(listener)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const bound = (server.address() as AddressInfo).port
  return {
    url: `${secure ? 'https' : 'http'}://localhost:${bound}`,
    port: bound,
    requests,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** An answer of a status, with headers and a body. */
export function status(
  code: number,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Answer {
  return (response) => response.writeHead(code, headers).end(body)
}
