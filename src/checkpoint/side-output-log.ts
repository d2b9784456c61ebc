import {
  type FileSystem,
  FileSystemError,
  replaceFile,
  type WritableFile,
} from '../connector/file-system.ts'
import { assert, TocsinError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'

/** What was left out of a job's output, and is kept all the same. */
export type SideOutputKind =
  | 'late'
  | 'late_after_idle'
  | 'dead_letter'
  | 'suppressed'
  /** An alert of a rule that is only tried. */
  | 'shadow'
  /** An alert that its sink did not take. */
  | 'undelivered'

export interface SideOutputLogOptions {
  readonly files: FileSystem
  /** The log's own folder, absolute; made if it is not there. */
  readonly directory: string
  readonly clock: Clock
  /** How long a segment is kept after its last row could be written, ms. Default: 7 days. */
  readonly retentionMs?: number
  /** Bytes of all segments. A tenth is for what is undelivered alone. Default 1 GiB. */
  readonly capBytes?: number
  /** A segment that has so many bytes takes no more. Default 64 MiB. */
  readonly segmentBytes?: number
  /** Told once of each kind of which no more can be kept. */
  readonly onFull?: (kind: SideOutputKind) => void
  /** Told of a segment that is past its retention, before it is removed. */
  readonly beforeRemoval?: (path: string) => Promise<void>
}

/** Where a log ends for a checkpoint. */
export interface SideOutputPosition {
  readonly segment: number
  /** Bytes of that segment; all those before it count whole. */
  readonly bytes: number
}

/** A log at the barrier of a checkpoint. */
export interface FrozenSideOutput {
  readonly position: SideOutputPosition
  /** Makes durable what lies before the position; may be repeated. @throws as `flush` */
  readonly write: () => Promise<void>
  /** The checkpoint is durable. */
  readonly complete: () => Promise<void>
}

interface Segment {
  readonly number: number
  readonly path: string
  readonly startMs: number
  bytes: number
}

interface Chunk {
  readonly segment: Segment
  readonly position: number
  readonly lines: string[]
  bytes: number
  /** While it is being written, and after that has failed: it takes no more lines. */
  isSealed: boolean
}

interface OpenFile {
  readonly segment: Segment
  readonly handle: WritableFile
}

const dayMs = 86_400_000
const segmentName = /^(\d{10})-(\d+)\.ndjson$/
/** Exists from a job's start without state until its first checkpoint: where its rows begin. */
const startName = 'start'
const chunkBytes = 1024 * 1024
/** Bytes not yet written from which on the job is to wait. */
const pendingBytesMax = 4 * chunkBytes

/**
 * Opens a log, and removes what is past its retention.
 * @throws {TocsinError} STATE_DISK_FULL, STATE_IO
 */
export async function openSideOutputLog(options: SideOutputLogOptions): Promise<SideOutputLog> {
  const { files, directory } = options
  const segments = await attempt(async () => {
    await files.makeDirectory(directory)
    const found: Segment[] = []
    for (const name of await files.list(directory)) {
      const [, number, startMs] = segmentName.exec(name) ?? []
      if (number === undefined) continue
      const path = `${directory}/${name}`
      const bytes = (await files.inspect(path))?.size ?? 0
      found.push({ number: Number(number), path, startMs: Number(startMs), bytes })
    }
    return found
  })
  const log = new SideOutputLog(options, segments)
  await log.removeExpired()
  return log
}

/**
 * The store of what is left out (late events, dead letters, suppressed and undelivered alerts): lines
 * of JSON in segments by day, readable while the job runs. With checkpoints it is exact: each has the
 * place where the log ended, and whoever goes on from it cuts off what stands behind.
 */
export class SideOutputLog {
  readonly #options: Required<Omit<SideOutputLogOptions, 'onFull' | 'beforeRemoval'>> &
    SideOutputLogOptions
  /** In order; rows go to the last one, which is none of an earlier process. */
  #segments: Segment[]
  #current: Segment | null = null
  #nextNumber: number
  #bytes: number
  #chunks: Chunk[] = []
  #pendingBytes = 0
  #file: OpenFile | null = null
  #writing: Promise<void> | null = null
  #lastFlushMs: number
  readonly #notKept = new Map<SideOutputKind, number>()
  #hasStartMark = false

  /** Use `openSideOutputLog`. */
  constructor(options: SideOutputLogOptions, segments: readonly Segment[]) {
    this.#options = {
      retentionMs: 7 * dayMs,
      capBytes: 2 ** 30,
      segmentBytes: 64 * 1024 * 1024,
      ...options,
    }
    this.#segments = [...segments]
    this.#nextNumber = (segments.at(-1)?.number ?? 0) + 1
    this.#bytes = segments.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#lastFlushMs = options.clock.now()
  }

  /** Rows that were not kept since the cap was reached, by kind. */
  get notKept(): ReadonlyMap<SideOutputKind, number> {
    return this.#notKept
  }

  /** Bytes of all rows. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes a row, one line without newline; false: the cap is reached, it is counted and not kept. */
  append(kind: SideOutputKind, line: string): boolean {
    const bytes = Buffer.byteLength(line) + 1
    const { capBytes, onFull } = this.#options
    const allowed = kind === 'undelivered' ? capBytes : capBytes * 0.9
    if (this.#bytes + bytes > allowed) {
      const count = this.#notKept.get(kind) ?? 0
      if (count === 0) onFull?.(kind)
      this.#notKept.set(kind, count + 1)
      return false
    }
    const segment = this.#segmentFor()
    let chunk = this.#chunks.at(-1)
    if (chunk === undefined || chunk.segment !== segment || chunk.isSealed) {
      chunk = { segment, position: segment.bytes, lines: [], bytes: 0, isSealed: false }
      this.#chunks.push(chunk)
    }
    chunk.lines.push(`${line}\n`)
    chunk.bytes += bytes
    chunk.isSealed = chunk.bytes >= chunkBytes
    segment.bytes += bytes
    this.#bytes += bytes
    this.#pendingBytes += bytes
    return true
  }

  /**
   * To be called between batches: writes what waits for a second or is much; waits for it only where
   * it is too much. Nothing is due: undefined.
   * @throws {TocsinError} STATE_IO
   */
  betweenBatches(): Promise<void> | undefined {
    if (this.#pendingBytes === 0) return undefined
    const isDue = this.#options.clock.now() - this.#lastFlushMs >= 1000
    if (!isDue && this.#pendingBytes < chunkBytes) return undefined
    const flushed = this.flush()
    if (this.#pendingBytes >= pendingBytesMax) return flushed
    // What fails is written again with the next flush, and fails there.
    flushed.catch(() => undefined)
    return undefined
  }

  /**
   * Makes durable what was appended before the call. After a failure the same is written again.
   * @throws {TocsinError} STATE_DISK_FULL, STATE_IO
   */
  async flush(): Promise<void> {
    const last = this.#chunks.at(-1)
    while (last !== undefined && this.#chunks.includes(last)) {
      this.#writing ??= attempt(() => this.#writeFirst()).finally(() => {
        this.#writing = null
      })
      await this.#writing
    }
  }

  /** At the barrier of a checkpoint. */
  freeze(): FrozenSideOutput {
    const last = this.#segments.at(-1)
    return {
      position: { segment: last?.number ?? this.#nextNumber - 1, bytes: last?.bytes ?? 0 },
      write: () => this.flush(),
      complete: async () => {
        if (this.#hasStartMark) await this.#removeStartMark()
      },
    }
  }

  /**
   * Takes back what was appended after a checkpoint; call it before anything is appended.
   * @param position that of the checkpoint; `null`: the job starts without one
   * @throws {TocsinError} STATE_DISK_FULL, STATE_IO
   */
  async restore(position: SideOutputPosition | null): Promise<void> {
    assert(this.#current === null, 'a side output is restored before it is used')
    await attempt(async () => {
      const end = position ?? (await this.#startMark())
      for (const segment of this.#segments.filter(({ number }) => number >= end.segment)) {
        if (segment.number > end.segment) await this.#remove(segment)
        else if (segment.bytes > end.bytes) await this.#cut(segment, end.bytes)
      }
      this.#nextNumber = Math.max(this.#nextNumber, end.segment + 1)
      if (position !== null) await this.#removeStartMark()
    })
  }

  /** Removes segments that are past their retention. @throws {TocsinError} STATE_IO */
  async removeExpired(): Promise<void> {
    const { clock, retentionMs, beforeRemoval } = this.#options
    const expired = this.#segments.filter(
      (segment) =>
        segment !== this.#current && segment.startMs + dayMs + retentionMs <= clock.now(),
    )
    for (const segment of expired) {
      await beforeRemoval?.(segment.path)
      await attempt(() => this.#remove(segment))
    }
  }

  /** Writes what is left, then closes. */
  async close(): Promise<void> {
    await this.flush()
    await attempt(async () => this.#file?.handle.close())
    this.#file = null
  }

  #segmentFor(): Segment {
    const now = this.#options.clock.now()
    const { segmentBytes, directory } = this.#options
    const current = this.#current
    if (
      current !== null &&
      current.bytes < segmentBytes &&
      Math.floor(now / dayMs) === Math.floor(current.startMs / dayMs)
    ) {
      return current
    }
    const number = this.#nextNumber++
    const path = `${directory}/${String(number).padStart(10, '0')}-${now}.ndjson`
    this.#current = { number, path, startMs: now, bytes: 0 }
    this.#segments.push(this.#current)
    return this.#current
  }

  async #writeFirst(): Promise<void> {
    const chunk = this.#chunks[0] as Chunk
    const { segment, position } = chunk
    const { clock } = this.#options
    const file = this.#file?.segment === segment ? this.#file : await this.#openFile(segment)
    chunk.isSealed = true
    const bytes = Buffer.from(chunk.lines.join(''))
    await file.handle.writeAt(position, bytes)
    await file.handle.sync()
    this.#chunks.shift()
    this.#pendingBytes -= bytes.length
    this.#lastFlushMs = clock.now()
  }

  async #openFile(segment: Segment): Promise<OpenFile> {
    const { files, directory } = this.#options
    await this.#file?.handle.close()
    this.#file = null
    const handle = await files.openFile(segment.path, 'either')
    try {
      await files.syncDirectory(directory)
      await this.removeExpired()
    } catch (error) {
      // Its name may not be durable: it is opened again before anything is written.
      await handle.close()
      throw error
    }
    this.#file = { segment, handle }
    return this.#file
  }

  async #startMark(): Promise<SideOutputPosition> {
    const { files, directory } = this.#options
    const path = `${directory}/${startName}`
    this.#hasStartMark = true
    if ((await files.inspect(path)) !== undefined) {
      const segment = Number((await files.readFile(path)).toString())
      assert(Number.isSafeInteger(segment), `${path} has the number of a segment`)
      return { segment, bytes: Infinity }
    }
    const segment = this.#nextNumber - 1
    await replaceFile(files, directory, startName, Buffer.from(String(segment)))
    return { segment, bytes: Infinity }
  }

  async #removeStartMark(): Promise<void> {
    const { files, directory } = this.#options
    const path = `${directory}/${startName}`
    await attempt(async () => {
      if ((await files.inspect(path)) === undefined) return
      await files.remove(path)
      await files.syncDirectory(directory)
    })
    this.#hasStartMark = false
  }

  async #cut(segment: Segment, bytes: number): Promise<void> {
    const file = await this.#options.files.openFile(segment.path, 'existing')
    try {
      await file.truncate(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    this.#bytes -= segment.bytes - bytes
    segment.bytes = bytes
  }

  async #remove(segment: Segment): Promise<void> {
    const { files, directory } = this.#options
    await files.remove(segment.path)
    await files.syncDirectory(directory)
    this.#segments = this.#segments.filter((each) => each !== segment)
    this.#bytes -= segment.bytes
  }
}

/** Runs work on the log's files. @throws {TocsinError} STATE_DISK_FULL, STATE_IO */
async function attempt<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof FileSystemError)) throw cause
    const code = cause.code === 'ENOSPC' ? 'STATE_DISK_FULL' : 'STATE_IO'
    throw new TocsinError(code, `the side output: ${cause.message}`, { cause })
  }
}
