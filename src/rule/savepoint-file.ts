import { createHash } from 'node:crypto'
import { type FileSystem, FileSystemError } from '../connector/file-system.ts'
import { TocsinError } from '../errors.ts'
import type { JsonValue } from '../stream/alert.ts'
import { savedJobOf } from './saved-job.ts'

/*
 * A savepoint is one file of JSON lines: a `savepoint` line, a `job` line, one `sink` line a sink, then
 * `part`, `entry` and `alerts` lines in any order, and an `end` line with the SHA-256 of all bytes
 * before it. Nothing in it depends on how state is stored, on the machine, or on who owns which keys.
 */

/** A line of a savepoint, in the newest version. */
export type SavepointLine =
  | SavepointHeader
  /** `SavedJob`. */
  | { readonly kind: 'job'; readonly job: JsonValue }
  /** The newest checkpoint that the sink is known to have; `null`: none. */
  | { readonly kind: 'sink'; readonly sink: string; readonly committed: number | null }
  /** What an operator holds beside its keys, in order. */
  | { readonly kind: 'part'; readonly operator: string; readonly part: JsonValue }
  /** What a key has open; the canonical key, one char a byte. */
  | {
      readonly kind: 'entry'
      readonly operator: string
      readonly key: string
      readonly form: JsonValue
    }
  /** Alerts that the sink may lack, as `outbox-format.ts` has them, in base64. */
  | {
      readonly kind: 'alerts'
      readonly sink: string
      readonly checkpoint: number
      readonly staged: string
    }
  | { readonly kind: 'end'; readonly lines: number; readonly sha256: string }

export interface SavepointHeader {
  readonly kind: 'savepoint'
  readonly version: number
  /** The job's name. */
  readonly job: string
  readonly checkpoint: number
  /** ISO 8601. */
  readonly created_at: string
  /** The version of Tocsin that wrote it. */
  readonly created_by: string
}

/** A change of what the lines hold is a new number, and a step from the one before. */
export const savepointVersion = 2

type Step = (line: SavepointLine) => SavepointLine

/** Step i makes lines of version i + 2 of those of version i + 1. */
const steps: readonly Step[] = [withLayouts]

/** Version 1 had of a job's rules no more than their fingerprints. */
function withLayouts(line: SavepointLine): SavepointLine {
  if (line.kind !== 'job') return line
  return { kind: 'job', job: savedJobOf({ number: 1, job: line.job }) as unknown as JsonValue }
}

/** Writes a savepoint beside its place and gives it its name when it is whole and durable. */
export class SavepointWriter {
  readonly #files: FileSystem
  readonly #path: string
  readonly #hash = createHash('sha256')
  #chunks: Buffer[] = []
  #bytes = 0
  #lines = 0
  #position = 0

  constructor(files: FileSystem, path: string) {
    this.#files = files
    this.#path = path
  }

  /** @throws {TocsinError} OUTPUT_UNWRITABLE */
  async write(line: SavepointLine): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
    if (line.kind !== 'end') this.#hash.update(bytes)
    this.#lines++
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= chunkBytes) await this.#drain()
  }

  /** Writes the last line, and gives the file its name; one that is there is replaced. */
  async finish(): Promise<void> {
    const sha256 = this.#hash.digest('hex')
    await this.write({ kind: 'end', lines: this.#lines, sha256 })
    await this.#drain()
    await this.#attempt(async () => {
      await this.#files.rename(this.#partial, this.#path)
      await this.#files.syncDirectory(this.#path.slice(0, this.#path.lastIndexOf('/')) || '/')
    })
  }

  async discard(): Promise<void> {
    await this.#files.removeTree(this.#partial)
  }

  get #partial(): string {
    return `${this.#path}.partial`
  }

  async #drain(): Promise<void> {
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#bytes = 0
    await this.#attempt(async () => {
      const file = await this.#files.openFile(this.#partial, 'either')
      try {
        // What a failed try has left behind is not a part of it.
        await file.truncate(this.#position)
        await file.append(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
    })
    this.#position += bytes.length
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      if (!(cause instanceof FileSystemError)) throw cause
      const message = `cannot write the savepoint ${this.#path}: ${cause.message}`
      throw new TocsinError('OUTPUT_UNWRITABLE', message, { cause })
    }
  }
}

/**
 * The lines of a savepoint of any version, as they are in the newest one. It is read twice: the
 * first line is given when the checksum of all is known to fit.
 * @throws {TocsinError} SAVEPOINT_INVALID: no savepoint, damaged, or of a version that is not known;
 *   INPUT_UNREADABLE
 */
export async function* readSavepoint(
  files: FileSystem,
  path: string,
): AsyncGenerator<SavepointLine> {
  const version = await verifySavepoint(files, path)
  let index = 0
  for await (const bytes of linesOf(files, path)) {
    const line = parseLine(bytes, path, index++)
    yield steps.slice(version - 1).reduce((each, step) => step(each), line)
  }
}

/** Reads it to its end; gives its version. */
async function verifySavepoint(files: FileSystem, path: string): Promise<number> {
  const hash = createHash('sha256')
  let version = 0
  let lines = 0
  let isWhole = false
  for await (const bytes of linesOf(files, path)) {
    if (isWhole) throw invalid(path, 'something stands behind its end')
    if (lines === 0) version = versionOf(parseLine(bytes, path, 0), path)
    if (bytes.subarray(0, endStart.length).equals(endStart)) {
      const end = parseLine(bytes, path, lines)
      if (end.kind !== 'end' || end.sha256 !== hash.digest('hex') || end.lines !== lines) {
        throw invalid(path, 'it does not fit its checksum')
      }
      isWhole = true
    } else hash.update(bytes)
    lines++
  }
  if (lines === 0) throw invalid(path, 'it is empty')
  if (!isWhole) throw invalid(path, 'its end is missing')
  return version
}

const endStart = Buffer.from('{"kind":"end"')
const chunkBytes = 1 << 20

/** Lines with the newline. */
async function* linesOf(files: FileSystem, path: string): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for (let offset = 0; ; ) {
    const chunk = await readChunk(files, path, offset)
    if (chunk.length === 0) break
    offset += chunk.length
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = chunk.subarray(from, end + 1)
      yield rest.length === 0 ? line : Buffer.concat([rest, line])
      rest = Buffer.alloc(0)
      from = end + 1
    }
    rest = Buffer.concat([rest, chunk.subarray(from)])
  }
  if (rest.length > 0) yield rest
}

async function readChunk(files: FileSystem, path: string, offset: number): Promise<Buffer> {
  try {
    return await files.readRange(path, offset, chunkBytes)
  } catch (cause) {
    if (!(cause instanceof FileSystemError)) throw cause
    const message = `cannot read the savepoint ${path}: ${cause.message}`
    throw new TocsinError('INPUT_UNREADABLE', message, { cause })
  }
}

function parseLine(bytes: Buffer, path: string, index: number): SavepointLine {
  try {
    const line = JSON.parse(bytes.toString('utf8'))
    if (typeof line?.kind === 'string') return line
  } catch {
    // The same as for JSON that is no line of a savepoint.
  }
  throw invalid(
    path,
    index === 0 ? 'it does not begin as one' : `line ${index + 1} of it is damaged`,
  )
}

function versionOf(line: SavepointLine, path: string): number {
  if (line.kind !== 'savepoint') throw invalid(path, 'it does not begin as one')
  const { version } = line
  if (Number.isInteger(version) && version >= 1 && version <= savepointVersion) return version
  const reason = `it has version ${version}, and this Tocsin knows 1 to ${savepointVersion}`
  throw invalid(
    path,
    `${reason}; use the version that wrote it, ${line.created_by}, or a later one`,
  )
}

function invalid(path: string, reason: string): TocsinError {
  return new TocsinError('SAVEPOINT_INVALID', `${path} is no savepoint that can be read: ${reason}`)
}
