import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { waitUntil } from './wait-until.ts'

/** A schema as registries give it. */
interface RegisteredSchema {
  readonly schema: string
  readonly schemaType?: string
  readonly references?: unknown
}

/**
 * A schema registry that speaks the part of Confluent's REST interface that clients use to register
 * schemas and to ask for them by number.
 */
export class SchemaRegistryServer {
  /** Paths that were asked for. */
  readonly asked: string[] = []
  /** What every request must bring; undefined: nothing. */
  authorization: string | undefined
  readonly #schemas: RegisteredSchema[] = []
  readonly #subjects = new Map<string, number[]>()
  #server: Server | null = null
  #port = 0

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Starts it, at the port that it had before. */
  async start(): Promise<void> {
    const server = createServer(async (request, response) => {
      this.asked.push(`${request.method} ${request.url}`)
      const body = await textOf(request)
      const { status, answer } = this.#answer(request, body)
      response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
      response.end(JSON.stringify(answer))
    })
    await once(server.listen(this.#port, '127.0.0.1'), 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    server.close()
    server.closeAllConnections()
    await waitUntil(() => !server.listening, 'the registry is closed')
  }

  #answer(request: IncomingMessage, body: string): { status: number; answer: unknown } {
    if (this.authorization !== undefined && request.headers.authorization !== this.authorization) {
      return { status: 401, answer: { error_code: 401, message: 'Unauthorized' } }
    }
    const path = decodeURIComponent(request.url ?? '')
    const byId = /^\/schemas\/ids\/(\d+)$/.exec(path)
    if (byId !== null) {
      const found = this.#schemas[Number(byId[1]) - 1]
      if (found !== undefined) return { status: 200, answer: found }
      return { status: 404, answer: { error_code: 40403, message: 'Schema not found' } }
    }
    if (path.startsWith('/config/')) {
      if (request.method === 'PUT') return { status: 200, answer: JSON.parse(body) }
      return { status: 404, answer: { error_code: 40401, message: 'Subject not found' } }
    }
    const version = /^\/subjects\/(.+)\/versions(?:\/(\d+))?$/.exec(path)
    const subject = version?.[1] ?? ''
    if (version !== null && request.method === 'POST') {
      const id = this.#schemas.push(JSON.parse(body))
      this.#subjects.set(subject, [...(this.#subjects.get(subject) ?? []), id])
      return { status: 200, answer: { id } }
    }
    const id = this.#subjects.get(subject)?.[Number(version?.[2]) - 1]
    if (id === undefined)
      return { status: 404, answer: { error_code: 40401, message: 'not found' } }
    return {
      status: 200,
      answer: { subject, id, version: Number(version?.[2]), ...this.#schemas[id - 1] },
    }
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) text += part
  return text
}
