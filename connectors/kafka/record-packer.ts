import type { Split } from '../../src/stream/event.ts'
import { twiceAsLong } from '../../src/stream/growing-array.ts'
import type { RecordBatch, RecordFault } from '../../src/stream/record-batch.ts'
import type { Format } from '../format/format.ts'
import { appendFields } from '../record-fields.ts'
import { type MetadataFields, metadataOf } from './metadata-fields.ts'
import type { KafkaBatch } from './record-batches.ts'
import { RecordCursor } from './record-cursor.ts'

/** A batch with its records decompressed, and how far it has been read. */
export interface ReadableBatch {
  readonly batch: KafkaBatch
  readonly bytes: Buffer
  at: number
  left: number
}

/** A partition of a topic as a split of its stream. */
export interface TopicSplit extends Split {
  readonly origin: { readonly topic: string; readonly partition: number }
}

export interface RecordPackerOptions {
  readonly format: Format
  readonly fields: MetadataFields | undefined
  /** About the size of what is packed at once, bytes. */
  readonly packBytes: number
  /** A longer record is a dead letter. */
  readonly recordBytesMax: number
}

/** Offsets of the records that are wanted: [from, to). */
export interface OffsetRange {
  readonly from: number
  readonly to: number
}

const NEWLINE = 0x0a
/** The byte scanner may read so far past a record, and stops at a newline. */
const PADDING_BYTES = 8
/** So much of a record that is too long is kept, for whoever looks into it. */
const KEPT_BYTES = 1024
const BUFFER_UNIT_BYTES = 64 * 1024

/**
 * Packs records of Kafka batches into batches of the engine. Where values are JSON and nothing is
 * appended, whole stretches of records are copied as they are, and a newline is written behind each
 * value; else each record is made anew.
 */
export class RecordPacker {
  readonly split: TopicSplit
  readonly #options: RecordPackerOptions
  readonly #cursor = new RecordCursor()
  /** Buffers given back: new memory costs a page fault for every 4 KiB. */
  readonly #free: Buffer[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #used = 0
  #count = 0
  #starts = new Int32Array(1024)
  #ends = new Int32Array(1024)
  #offsets = new Float64Array(1024)
  #ingestTimes = new Float64Array(1024)
  #knowsIngestTime = false
  #faults: Map<number, RecordFault> | null = null
  #nextOffset = 0
  /** What the next record needs before it can be decoded. */
  #missing: Promise<void> | null = null

  constructor(split: TopicSplit, options: RecordPackerOptions) {
    this.split = split
    this.#options = options
  }

  /** The offset behind the last record that was taken. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** What must be waited for before a batch that was refused can be taken; `null`: nothing. */
  get missing(): Promise<void> | null {
    return this.#missing
  }

  /**
   * Takes records of a batch that lie in the range, as many as there is room for; the batch notes
   * how far it got. What is taken together has its times of ingest from one source: the broker or not.
   * @returns whether the batch is done with
   */
  add(readable: ReadableBatch, range: OffsetRange): boolean {
    const { appendTime } = readable.batch
    const knowsIngestTime = appendTime !== undefined
    if (this.#count > 0 && knowsIngestTime !== this.#knowsIngestTime) return false
    this.#knowsIngestTime = knowsIngestTime
    const { format, fields } = this.#options
    this.#missing = null
    if (format.isJson && fields === undefined) this.#copyStretch(readable, range)
    else this.#convert(readable, range)
    return readable.left === 0
  }

  /** What was taken since the last time; `null`: no record. */
  take(): RecordBatch | null {
    const count = this.#count
    if (count === 0) return null
    const bytes = this.#bytes
    const end = this.#ends[count - 1] as number
    bytes.fill(NEWLINE, end, end + PADDING_BYTES)
    const faults = this.#faults
    const batch: RecordBatch = {
      split: this.split,
      bytes,
      count,
      starts: this.#starts.slice(0, count),
      ends: this.#ends.slice(0, count),
      offsets: this.#offsets.slice(0, count),
      release: () => this.#giveBack(bytes),
      ...(faults === null ? {} : { faults }),
      ...(this.#knowsIngestTime ? { ingestTimes: this.#ingestTimes.slice(0, count) } : {}),
    }
    this.#bytes = this.#free.pop() ?? Buffer.alloc(0)
    this.#used = 0
    this.#count = 0
    this.#faults = null
    return batch
  }

  /** A buffer that was made for one long record is not kept. */
  #giveBack(bytes: Buffer): void {
    if (bytes.length <= 2 * (this.#options.packBytes + BUFFER_UNIT_BYTES)) this.#free.push(bytes)
  }

  /** Copies whole records, with all that Kafka keeps around their values. */
  #copyStretch(readable: ReadableBatch, { from, to }: OffsetRange): void {
    const { batch, bytes } = readable
    const cursor = this.#cursor
    const room = this.#options.packBytes - this.#used
    cursor.reset(bytes, readable.at)
    let { at } = readable
    let end = at
    let records = 0
    while (records < readable.left) {
      cursor.next(batch)
      if (cursor.offset < from) {
        readable.left--
        at = cursor.end
      } else if (cursor.end - at > room && (this.#used > 0 || records > 0)) break
      else records++
      end = cursor.end
    }
    this.#makeRoom(end - at)
    const copied = this.#used
    bytes.copy(this.#bytes, copied, at, end)
    this.#used += end - at
    readable.at = end
    readable.left -= records
    cursor.reset(this.#bytes, copied)
    for (; records > 0; records--) {
      cursor.next(batch)
      if (cursor.offset < to) this.#noteCopied(batch)
    }
  }

  /** The record at the cursor lies in the buffer already. */
  #noteCopied(batch: KafkaBatch): void {
    const { valueStart, valueEnd, headersStart } = this.#cursor
    if (valueEnd < 0) this.#note(batch, headersStart, headersStart, tombstone)
    else if (valueEnd - valueStart > this.#options.recordBytesMax) {
      this.#note(batch, valueStart, valueStart + KEPT_BYTES, this.#tooLong(valueEnd - valueStart))
    } else this.#note(batch, valueStart, valueEnd)
  }

  #convert(readable: ReadableBatch, { from, to }: OffsetRange): void {
    const { batch, bytes } = readable
    const cursor = this.#cursor
    cursor.reset(bytes, readable.at)
    while (readable.left > 0) {
      if (this.#used >= this.#options.packBytes) return
      cursor.next(batch)
      if (cursor.offset >= from && cursor.offset < to && !this.#convertRecord(batch, bytes)) return
      readable.at = cursor.end
      readable.left--
    }
  }

  /** @returns false: something is missing to decode it */
  #convertRecord(batch: KafkaBatch, bytes: Buffer): boolean {
    const { format, fields, recordBytesMax } = this.#options
    const cursor = this.#cursor
    const value = bytes.subarray(cursor.valueStart, Math.max(cursor.valueStart, cursor.valueEnd))
    if (cursor.valueEnd < 0) this.#append(batch, value, tombstone)
    else if (value.length > recordBytesMax) {
      this.#append(batch, value.subarray(0, KEPT_BYTES), this.#tooLong(value.length))
    } else {
      this.#missing = format.prepare(value)
      if (this.#missing !== null) return false
      let decoded = format.decode(value)
      if (decoded.kind === 'record' && fields !== undefined) {
        const appended = metadataOf(fields, this.split.origin, bytes, cursor)
        decoded = appendFields(decoded.bytes, appended)
      }
      if (decoded.kind === 'record') this.#append(batch, decoded.bytes)
      else this.#append(batch, value, { cause: 'format', reason: decoded.reason })
    }
    return true
  }

  #append(batch: KafkaBatch, record: Buffer, fault?: RecordFault): void {
    this.#makeRoom(record.length + 1)
    const start = this.#used
    record.copy(this.#bytes, start)
    this.#used += record.length + 1
    this.#note(batch, start, start + record.length, fault)
  }

  /** Notes the record at the cursor as one of those that are packed. */
  #note({ appendTime }: KafkaBatch, start: number, end: number, fault?: RecordFault): void {
    const row = this.#count++
    if (row === this.#starts.length) this.#grow()
    this.#bytes[end] = NEWLINE
    this.#starts[row] = start
    this.#ends[row] = end
    this.#offsets[row] = this.#cursor.offset
    this.#nextOffset = this.#cursor.offset + 1
    this.#ingestTimes[row] = appendTime ?? 0
    if (fault === undefined) return
    this.#faults ??= new Map()
    this.#faults.set(row, fault)
  }

  #grow(): void {
    this.#starts = twiceAsLong(this.#starts)
    this.#ends = twiceAsLong(this.#ends)
    this.#offsets = twiceAsLong(this.#offsets)
    this.#ingestTimes = twiceAsLong(this.#ingestTimes)
  }

  #makeRoom(length: number): void {
    const needed = this.#used + length + PADDING_BYTES
    if (needed <= this.#bytes.length) return
    const size = Math.max(needed, this.#options.packBytes + PADDING_BYTES)
    const roomy = Buffer.allocUnsafeSlow(Math.ceil(size / BUFFER_UNIT_BYTES) * BUFFER_UNIT_BYTES)
    this.#bytes.copy(roomy, 0, 0, this.#used)
    this.#bytes = roomy
  }

  #tooLong(length: number): RecordFault {
    const { recordBytesMax } = this.#options
    const reason =
      `the record has ${length} bytes, more than ${recordBytesMax}; ` +
      `only its first ${KEPT_BYTES} bytes are kept`
    return { cause: 'too_long', reason }
  }
}

const tombstone: RecordFault = {
  cause: 'format',
  reason: 'the record has no value: it only says that its key is gone',
}
