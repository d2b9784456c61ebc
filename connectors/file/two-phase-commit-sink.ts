import { basename, dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { type FileSystem, FileSystemError, replaceFile } from '../../src/connector/file-system.ts'
import type { SinkAlert } from '../../src/connector/sink.ts'
import type { Marker, TwoPhaseCommitSink } from '../../src/connector/two-phase-commit-sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { writeFailure } from './write-failure.ts'

/**
 * A sink that holds each alert once, one document a line, in one file that only grows. Beside it
 * stands `PATH.commit`, which is replaced in one step:
 *
 * 1. `commit` gives `PATH.commit` the checkpoint's number, its lines, and the byte of the file where
 *    they belong. With this step the checkpoint is committed: number and lines are there together.
 * 2. The lines are written to the file at that byte.
 * 3. `PATH.commit` is replaced by one without the lines: nothing is left to be done.
 *
 * `init` does steps 2 and 3 where they were not done. The same bytes go to the same place, so a
 * reader that follows the file never sees a line change, vanish or come twice; after a crash the
 * last line may be cut short until the job starts again.
 *
 * Part files that take their names by checkpoint (Flink's FileSink) would need no such step 2. But
 * then users have a folder of many small files in place of one that they can follow, and the mark is
 * lost with the last part that they move away.
 */
export class TwoPhaseCommitFileSink implements TwoPhaseCommitSink {
  readonly #files: FileSystem
  readonly #path: string
  readonly #job: string
  /** Undefined: `init` comes first. */
  #record: CommitRecord | undefined

  /** @param path absolute */
  constructor(files: FileSystem, path: string, job: string) {
    this.#files = files
    this.#path = path
    this.#job = job
  }

  init(): Promise<Marker | undefined> {
    return this.#attempt(async () => {
      this.#record = undefined
      const found = await this.#read()
      await this.#checkTarget()
      const { checkpoint = null, instance = 0 } = found?.record ?? {}
      if (found !== undefined && found.lines.length > 0) {
        await this.#write(found.record.start, [found.lines])
      }
      // Also where nothing was to be done: it makes durable what a failed commit has left behind,
      // and its number ends an older instance of the job.
      const record = { job: this.#job, instance: instance + 1, checkpoint, start: 0 }
      await this.#replace(record, noLines)
      this.#record = record
      return checkpoint === null ? undefined : { checkpoint }
    })
  }

  commit(checkpoint: number, alerts: readonly SinkAlert[]): Promise<void> {
    return this.#attempt(async () => {
      const before = this.#record
      if (before === undefined) throw new Error('the sink has not been initialised')
      if (before.checkpoint !== null && checkpoint <= before.checkpoint) return
      this.#record = undefined
      const found = await this.#read()
      if (found?.record.instance !== before.instance) throw this.#takenOver()
      const start = (await this.#files.inspect(this.#path))?.size ?? 0
      const lines = await linesOf(alerts, await this.#endsInLine(start))
      await this.#replace({ ...before, checkpoint, start }, lines)
      await this.#write(start, lines)
      const record = { ...before, checkpoint }
      await this.#replace(record, noLines)
      this.#record = record
    })
  }

  async close(): Promise<void> {
    this.#record = undefined
  }

  async #checkTarget(): Promise<void> {
    const there = await this.#files.inspect(this.#path)
    if (there?.kind === 'directory') throw new FileSystemError('EISDIR', this.#path, '')
    if (there?.kind === 'other') {
      throw this.#refused(
        'OUTPUT_UNWRITABLE',
        `cannot write ${this.#path}: it is no regular file, so nothing can be written to it exactly once`,
      )
    }
  }

  /** Whether what the file holds ends in a whole line; somebody else may have written it. */
  async #endsInLine(size: number): Promise<boolean> {
    if (size === 0) return true
    const last = await this.#files.readRange(this.#path, size - 1, 1)
    return last[0] === newline
  }

  async #write(start: number, lines: readonly Buffer[]): Promise<void> {
    const there = await this.#files.inspect(this.#path)
    const file = await this.#files.openFile(this.#path, 'either')
    try {
      // Of a file that was moved away or emptied since, nothing is left to be written behind.
      let at = Math.min(start, there?.size ?? 0)
      for (const chunk of lines) {
        await file.writeAt(at, chunk)
        at += chunk.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    if (there === undefined) await this.#files.syncDirectory(dirname(this.#path))
  }

  #replace(record: CommitRecord, lines: readonly Buffer[]): Promise<void> {
    const name = `${basename(this.#path)}.commit`
    return replaceFile(this.#files, dirname(this.#path), name, ...encode(record, lines))
  }

  async #read(): Promise<{ record: CommitRecord; lines: Buffer } | undefined> {
    const path = `${this.#path}.commit`
    const bytes = await this.#files.readFile(path).catch((error: unknown) => {
      if (error instanceof FileSystemError && error.code === 'ENOENT') return undefined
      throw error
    })
    if (bytes === undefined) return undefined
    const found = decode(bytes)
    if (found === undefined) {
      const message = `${path} is damaged, so what ${this.#path} holds is not known; bring it back`
      throw this.#refused('SINK_MARKER', message)
    }
    if (found.record.job === this.#job) return found
    throw this.#refused(
      'SINK_MARKER',
      `${this.#path} belongs to job ${found.record.job}, and this is job ${this.#job}; ` +
        `choose another path, or remove ${path} if that job will not run again`,
    )
  }

  #takenOver(): ConnectorError {
    const message = `${this.#path}.commit was changed by another instance of job ${this.#job}; end one of them`
    return this.#refused('SINK_MARKER', message)
  }

  #refused(code: 'SINK_MARKER' | 'OUTPUT_UNWRITABLE', message: string): ConnectorError {
    return new ConnectorError(code, message, { retryable: false })
  }

  async #attempt<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (cause) {
      if (!(cause instanceof FileSystemError)) throw cause
      const message = `cannot write ${this.#path}: ${writeFailure(cause, this.#path)}`
      // Space is freed, and a network drive comes back; permissions and folders need a hand.
      const retryable = cause.code === 'ENOSPC' || cause.code === 'EIO'
      throw new ConnectorError('OUTPUT_UNWRITABLE', message, { cause, retryable })
    }
  }
}

/** What `PATH.commit` says besides the lines that are still to be written. */
interface CommitRecord {
  readonly job: string
  /** Goes up with each `init`. */
  readonly instance: number
  /** `null`: nothing has been committed yet. */
  readonly checkpoint: number | null
  /** The byte of the file where the lines belong. */
  readonly start: number
}

const newline = 0x0a
const noLines: readonly Buffer[] = []
const version = 1

/** Alerts as lines, a chunk at a time: others have their turn in between, as there may be many. */
async function linesOf(
  alerts: readonly SinkAlert[],
  isAtStartOfLine: boolean,
): Promise<readonly Buffer[]> {
  const chunks: Buffer[] = []
  let text = isAtStartOfLine ? '' : '\n'
  for (const { document } of alerts) {
    text += `${document}\n`
    if (text.length < chunkChars) continue
    chunks.push(Buffer.from(text))
    text = ''
    await setImmediate()
  }
  if (text !== '') chunks.push(Buffer.from(text))
  return chunks
}

const chunkChars = 512 * 1024

/** A checksum, what there is to know as JSON, and, from the next line on, the lines. */
function encode(record: CommitRecord, lines: readonly Buffer[]): readonly Buffer[] {
  const head = Buffer.from(`${JSON.stringify({ version, ...record })}\n`)
  const chunks = lines.length > 1 ? [head, ...lines] : [Buffer.concat([head, ...lines])]
  const sum = chunks.reduce((before, chunk) => crc32(chunk, before), 0)
  const [first = head, ...rest] = chunks
  return [Buffer.concat([Buffer.from(checksumText(sum)), first]), ...rest]
}

function decode(bytes: Buffer): { record: CommitRecord; lines: Buffer } | undefined {
  const rest = bytes.subarray(checksumLength)
  if (bytes.toString('latin1', 0, checksumLength) !== checksumText(crc32(rest))) return undefined
  const end = rest.indexOf(newline)
  const { version: written, ...record } = JSON.parse(rest.toString('utf8', 0, end))
  return written === version ? { record, lines: rest.subarray(end + 1) } : undefined
}

const checksumLength = 9

function checksumText(sum: number): string {
  return `${sum.toString(16).padStart(8, '0')} `
}
