import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { type ErrorCode, errorCodes, TocsinError } from '../src/index.ts'

/*
 * How commands reach a running job: a Unix domain socket in its state folder. A connection carries
 * one request and one response, a line of JSON each:
 *
 *   {"command":"savepoint-create", ...}
 *   {"ok":true,"result":...}  or  {"ok":false,"code":"STATE_IO","message":"..."}
 *
 * The file `control` says where the socket is: in the folder itself, or, as systems limit the length
 * of a socket's path, elsewhere.
 */

/** What a command is asked: its name and what else it needs, as plain data. */
export interface ControlRequest {
  readonly command: string
  readonly [argument: string]: unknown
}

/** Does a command; what it gives, or throws, is the response. */
export type ControlHandler = (request: ControlRequest) => Promise<unknown>

/** The control socket of a running job. */
export interface ControlSocket {
  /** Serves a command from now on; one that is not served is refused. */
  handle(command: string, handler: ControlHandler): void
  /** Waits for commands that are under way, and removes the socket. */
  close(): Promise<void>
}

/**
 * Opens the control socket of a state folder, which the caller has locked: what a dead process left
 * there is replaced. Only its own user may use it.
 * @throws {TocsinError} STATE_IO
 */
export async function openControlSocket(directory: string): Promise<ControlSocket> {
  try {
    removeSocket(directory)
    const { path, shown } = placeOf(directory)
    const server = new ControlServer(directory)
    // Nobody knows its first name, so nobody connects before it is the user's alone.
    await server.listen(`${path}.new`)
    if (process.platform !== 'win32') {
      chmodSync(`${path}.new`, 0o600)
      renameSync(`${path}.new`, path)
    }
    writeFileSync(join(directory, pointerName), shown)
    return server
  } catch (error) {
    const message = `cannot open the control socket of ${directory}: ${(error as Error).message}`
    throw new TocsinError('STATE_IO', message, { cause: error })
  }
}

/**
 * Asks the job that runs with a state folder.
 * @param timeoutMs how long it may take; default 60,000
 * @throws {TocsinError} what the job answers; CONTROL_UNREACHABLE where none answers
 */
export async function askJob(
  directory: string,
  request: ControlRequest,
  timeoutMs = 60_000,
): Promise<unknown> {
  const path = socketOf(directory)
  if (path === null) {
    throw unreachable(directory, 'no job has left word where it listens')
  }
  const line = await exchangeLines(directory, path, JSON.stringify(request), timeoutMs)
  const response = JSON.parse(line)
  if (response.ok === true) return response.result
  const code = Object.hasOwn(errorCodes, response.code) ? (response.code as ErrorCode) : 'ASSERTION'
  throw new TocsinError(code, String(response.message))
}

const pointerName = 'control'
const socketName = 'control.sock'
/** What a socket's path may have, on Linux 107 bytes, on macOS 103; a few are for `.new`. */
const pathBytesMax = 99
const lineCharsMax = 1 << 20

class ControlServer implements ControlSocket {
  readonly #directory: string
  readonly #server: Server
  readonly #handlers = new Map<string, ControlHandler>()
  readonly #working = new Set<Promise<void>>()
  readonly #sockets = new Set<Socket>()

  constructor(directory: string) {
    this.#directory = directory
    this.#server = createServer((socket) => this.#accept(socket))
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  handle(command: string, handler: ControlHandler): void {
    this.#handlers.set(command, handler)
  }

  async close(): Promise<void> {
    removeSocket(this.#directory)
    const closed = new Promise((resolve) => this.#server.close(resolve))
    await Promise.all(this.#working)
    for (const socket of this.#sockets) socket.destroySoon()
    await closed
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    // Who hangs up does not want the answer.
    socket.on('error', () => undefined)
    let text = ''
    socket.setEncoding('utf8')
    const take = (chunk: string) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= lineCharsMax) return
      socket.off('data', take)
      const answered = this.#answer(end < 0 ? null : text.slice(0, end)).then((response) => {
        socket.end(`${JSON.stringify(response)}\n`)
      })
      this.#working.add(answered)
      answered.finally(() => this.#working.delete(answered))
    }
    socket.on('data', take)
  }

  /** Never rejects. */
  async #answer(line: string | null): Promise<unknown> {
    try {
      if (line === null)
        throw new TocsinError('USAGE', `a request of more than ${lineCharsMax} chars`)
      const request = parseRequest(line)
      const handler = this.#handlers.get(request.command)
      if (handler === undefined) {
        const known = [...this.#handlers.keys()].join(', ') || 'none'
        const message = `the job does not serve the command ${request.command} now; it serves: ${known}`
        throw new TocsinError('USAGE', message)
      }
      return { ok: true, result: (await handler(request)) ?? null }
    } catch (error) {
      const { code = 'ASSERTION', message } = error as Partial<TocsinError>
      return { ok: false, code, message }
    }
  }
}

function parseRequest(line: string): ControlRequest {
  try {
    const request = JSON.parse(line)
    if (typeof request?.command === 'string') return request
  } catch {
    // The same to whoever asks.
  }
  throw new TocsinError('USAGE', 'expected a request as a line such as {"command":"NAME"}')
}

/** Where a new socket goes, and how the pointer names it. */
function placeOf(directory: string): { path: string; shown: string } {
  if (process.platform === 'win32') {
    const path = `\\\\.\\pipe\\tocsin-${process.pid}-${Date.now()}`
    return { path, shown: path }
  }
  const within = join(directory, socketName)
  if (Buffer.byteLength(within) <= pathBytesMax) return { path: within, shown: socketName }
  // A folder of its own: in the common one others could take the name.
  const path = join(mkdtempSync(join(tmpdir(), folderPrefix)), socketName)
  return { path, shown: path }
}

const folderPrefix = 'tocsin-control-'

/** Where the pointer of a folder leads; `null`: there is none. */
function socketOf(directory: string): string | null {
  let shown: string
  try {
    shown = readFileSync(join(directory, pointerName), 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw unreachable(directory, (error as Error).message)
  }
  return isAbsolute(shown) || shown.startsWith('\\\\') ? shown : join(directory, shown)
}

function removeSocket(directory: string): void {
  const path = socketOf(directory)
  if (path === null) return
  rmSync(join(directory, pointerName), { force: true })
  if (path.startsWith('\\\\')) return
  rmSync(path, { force: true })
  const folder = dirname(path)
  if (dirname(folder) === tmpdir() && folder.includes(folderPrefix)) {
    rmSync(folder, { recursive: true, force: true })
  }
}

function exchangeLines(
  directory: string,
  path: string,
  line: string,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    let text = ''
    let failure = 'it hung up without an answer'
    const timer = setTimeout(() => {
      failure = `no answer within ${timeoutMs / 1000} s`
      socket.destroy()
    }, timeoutMs)
    socket.setEncoding('utf8')
    socket.on('connect', () => socket.write(`${line}\n`))
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', ({ message }) => {
      failure = message
    })
    socket.on('close', () => {
      clearTimeout(timer)
      if (text.endsWith('\n')) resolve(text)
      else reject(unreachable(directory, failure))
    })
  })
}

function unreachable(directory: string, reason: string): TocsinError {
  const message = `the job of the state folder ${directory} cannot be reached: ${reason}; is it running?`
  return new TocsinError('CONTROL_UNREACHABLE', message)
}
