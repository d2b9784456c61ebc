import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { TocsinError } from '../src/index.ts'
import { addressText, isLoopback, type ListenAddress } from './listen-address.ts'

/** What a path answers with. */
export interface ApiResponse {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** Answers a GET; by path. */
export type ApiRoutes = ReadonlyMap<string, () => Promise<ApiResponse>>

/** The HTTP interface of a run. */
export interface ApiServer {
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves health and metrics: reading only.
 * @throws {TocsinError} API_UNAVAILABLE: the address is taken, or is none of this machine
 */
export async function openApiServer(address: ListenAddress, routes: ApiRoutes): Promise<ApiServer> {
  const server = createServer((request, response) => {
    void answer(request, address, routes).then((result) => send(response, result))
  })
  // Who is slow to ask holds nothing.
  server.requestTimeout = 10_000
  server.headersTimeout = 5000
  server.maxConnections = 100
  await listen(server, address)
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return {
    url: `http://${addressText({ ...address, port })}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const message = `cannot listen on ${addressText(address)} (api.listen): ${listenFailure(error)}`
      reject(new TocsinError('API_UNAVAILABLE', message, { cause: error }))
    })
    server.listen(address.port, address.host, () => resolve())
  })
}

function listenFailure({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is taken; choose another one, or end what has it'
    case 'EACCES':
      return 'no permission; choose a port above 1023'
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address'
    default:
      return message
  }
}

async function answer(
  { method, url = '/', headers }: IncomingMessage,
  address: ListenAddress,
  routes: ApiRoutes,
): Promise<ApiResponse> {
  if (!isOwnHost(headers.host, address)) return refused(403, 'this is not the host that was asked')
  const route = routes.get(url.replace(/\?.*$/s, ''))
  if (route === undefined) return refused(404, `known are: ${[...routes.keys()].join(', ')}`)
  if (method !== 'GET' && method !== 'HEAD') return refused(405, 'only GET')
  try {
    return await route()
  } catch (error) {
    return refused(500, (error as Error).message)
  }
}

/** A page elsewhere must not read this through a name that it makes point to this machine. */
function isOwnHost(host: string | undefined, address: ListenAddress): boolean {
  if (!isLoopback(address)) return true
  const name = host?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name !== undefined && isLoopback({ host: name, port: 0 })
}

function refused(status: number, error: string): ApiResponse {
  return { status, contentType: 'application/json', body: `${JSON.stringify({ error })}\n` }
}

function send(response: ServerResponse, { status, contentType, body }: ApiResponse): void {
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-store',
    // A connection that is kept may be closed just as it is used again.
    connection: 'close',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}
