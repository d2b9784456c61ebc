import type { StateStore } from '../connector/state-store.ts'
import { ByteReader } from '../state/byte-reader.ts'
import { ByteWriter } from '../state/byte-writer.ts'
import { contentOfRow, frameRow, put, timeKey } from './checkpoint-row.ts'
import type { RowWriter } from './row-writer.ts'

const bucketMs = 1024
/** A row has no more times, so that none is long. */
const timesOfRow = 1000

export interface StoredTimesOptions {
  readonly operator: string
  readonly store: StateStore
  readonly writer: RowWriter
  /** Number of this process: tells its rows from those of others. */
  readonly life: number
  /** The folder of the state, for messages. */
  readonly directory: string
}

/** A time of a key, as rows have it. */
export interface StoredTime {
  /** Epoch ms. */
  readonly at: number
  /** Canonical, one char a byte. */
  readonly key: string
}

/**
 * Writes timers of keys into rows by time: a row lists what falls into one second and was written
 * together, so that a time costs little.
 */
export class TimeRows {
  readonly #options: StoredTimesOptions
  readonly #noted = new Map<number, ByteWriter>()
  #notedCount = 0
  #rowCount = 0
  /** Rows that are on their way to the disk, each with its bucket. */
  readonly #leaving = new Map<Buffer, number>()

  constructor(options: StoredTimesOptions) {
    this.#options = options
  }

  /** Notes a time, to be written. */
  note({ at, key }: StoredTime): void {
    if (this.#notedCount >= timesOfRow) this.send()
    this.#notedCount++
    const bucket = timeBucketOf(at)
    let out = this.#noted.get(bucket)
    if (out === undefined) {
      out = new ByteWriter()
      this.#noted.set(bucket, out)
    }
    out.double(at)
    out.latin1(key)
  }

  /** Rows below a bucket that a read may not find yet: to be asked for before it begins. */
  leavingBefore(bucket: number): Buffer[] {
    return [...this.#leaving].flatMap(([row, at]) => (at < bucket ? [row] : []))
  }

  /** Hands over what was noted. */
  send(): void {
    const { operator, writer, life } = this.#options
    for (const [bucket, out] of this.#noted) {
      const key = timeKey(operator, bucket, life, this.#rowCount++)
      const row = frameRow(out.toBuffer())
      this.#leaving.set(row, bucket)
      writer.add(put(key, row), { notifyWritten: () => this.#leaving.delete(row) })
    }
    this.#noted.clear()
    this.#notedCount = 0
  }
}

/** What a row lists. @throws {TocsinError} CHECKPOINT_CORRUPT, which names `directory` */
export function timesOfRowContent(row: Buffer, directory: string): StoredTime[] {
  const from = new ByteReader(contentOfRow(row, directory))
  const times: StoredTime[] = []
  while (!from.isAtEnd) {
    const at = from.double()
    times.push({ at, key: from.latin1() })
  }
  return times
}

/** Times before 1970 share the first bucket. */
export function timeBucketOf(timestamp: number): number {
  if (timestamp === Infinity || timestamp === -Infinity) return timestamp
  return Math.max(0, Math.floor(timestamp / bucketMs))
}
