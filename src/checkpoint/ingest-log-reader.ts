import { type FileSystem, FileSystemError } from '../connector/file-system.ts'
import { TocsinError } from '../errors.ts'
import type { LoggedRecords } from './ingest-frame.ts'
import { type Segment, SegmentReader } from './ingest-segment.ts'

/** Reads a log from a record on. */
export class IngestLogReader {
  readonly #files: FileSystem
  readonly #segments: readonly Segment[]
  readonly #end: () => number
  #from: number
  #reader: SegmentReader | null = null

  constructor(files: FileSystem, segments: readonly Segment[], from: number, end: () => number) {
    this.#files = files
    this.#segments = segments
    this.#from = from
    this.#end = end
  }

  /**
   * The next records; undefined: none that is durable, for now. The bytes end with eight newlines,
   * and each record with one.
   * @throws {TocsinError} INGEST_LOG_CORRUPT, naming file, byte and record; STATE_IO
   */
  next(): Promise<LoggedRecords | undefined> {
    return attemptFiles(async () => {
      while (this.#from < this.#end()) {
        this.#reader ??= await this.#open()
        const reader = this.#reader
        const result = await reader.next()
        switch (result.kind) {
          case 'broken':
            throw reader.corrupt(result.reason)
          case 'end':
            this.#leave(reader)
            break
          case 'frame':
            if (result.records.first + result.records.count <= this.#from) break
            return this.#skipTo(result.records)
        }
      }
      return undefined
    })
  }

  async #open(): Promise<SegmentReader> {
    const segment = this.#segments.findLast(({ first }) => first <= this.#from) as Segment
    const reader = new SegmentReader(this.#files, segment)
    if (await reader.hasHeader()) return reader
    throw reader.corrupt('the head of the file is broken')
  }

  /** At the end of a segment the next one must go on. */
  #leave(reader: SegmentReader): void {
    const next = this.#segments.find(({ first }) => first > reader.segment.first)
    if (next?.first !== reader.ordinal) throw reader.corrupt('records are missing behind it')
    this.#reader = null
    this.#from = Math.max(this.#from, reader.ordinal)
  }

  #skipTo(records: LoggedRecords): LoggedRecords {
    const skipped = this.#from - records.first
    this.#from = records.first + records.count
    if (skipped === 0) return records
    const { faults, ...others } = records
    const shifted = [...(faults ?? [])].map(([row, fault]) => [row - skipped, fault] as const)
    return {
      ...others,
      first: records.first + skipped,
      count: records.count - skipped,
      starts: records.starts.subarray(skipped),
      ends: records.ends.subarray(skipped),
      ingestTimes: records.ingestTimes.subarray(skipped),
      ...(faults === undefined ? {} : { faults: new Map(shifted.filter(([row]) => row >= 0)) }),
    }
  }
}

/** Runs work on the log's files. @throws {TocsinError} STATE_DISK_FULL, STATE_IO */
export async function attemptFiles<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof FileSystemError)) throw cause
    const code = cause.code === 'ENOSPC' ? 'STATE_DISK_FULL' : 'STATE_IO'
    throw new TocsinError(code, `the ingest log: ${cause.message}`, { cause })
  }
}
