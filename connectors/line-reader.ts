import type { PollResult, SourcePosition, SourceReader } from '../src/connector/source.ts'
import { TocsinError } from '../src/errors.ts'
import type { Split } from '../src/stream/event.ts'
import { twiceAsLong } from '../src/stream/growing-array.ts'
import type { RecordBatch, RecordFault } from '../src/stream/record-batch.ts'

/** Where a line reader takes its bytes from. */
export interface ByteInput {
  /** What errors call it: a path, or `stdin`. */
  readonly name: string
  /**
   * Writes the next bytes into `buffer` from `start` on, up to `end`, and says how many. 0 is the
   * end; `null` is nothing now, more may come.
   */
  fill(buffer: Buffer, start: number, end: number): Promise<number | null>
  /** Bytes taken from the outside and bytes in all, as `SourceReader.progress` has them. */
  progress(): { readonly read: number; readonly total: number | undefined }
  close(): Promise<void>
}

/** Where a line reader starts, and its limits. */
export interface LineReaderOptions {
  /** The line and the byte that the input gives first. Default: 0 and 0. */
  readonly start?: LinePosition
  /** What a position holds, from the line and the byte that come next. Default: both. */
  readonly positionAt?: (next: LinePosition) => SourcePosition
  /** So many bytes are asked for at once. Default 256 KiB. */
  readonly blockBytes?: number
  /** Lines of a block beyond this make another batch. Default 256 KiB. */
  readonly batchBytes?: number
  /** A longer line is no record: it is handed on as one that is too long. Default 16 MiB. */
  readonly lineBytesMax?: number
}

/** The beginning of a line. */
export interface LinePosition {
  /** Ordinal of the line. */
  readonly offset: number
  /** Bytes before it. */
  readonly byte: number
}

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d
/** So much of a line that is too long is kept, for whoever looks into it. */
const KEPT_BYTES = 1024
/** The byte scanner may read so far past a record. */
const PADDING_BYTES = 8
const BLOCK_UNIT_BYTES = 64 * 1024

/** A block that is being read. */
interface PendingBlock {
  readonly bytes: Buffer
  /** Bytes at the start that the block before left over: the beginning of a line. */
  readonly carried: number
  readonly filled: Promise<number | null>
}

/** A block of which the lines are being given, a batch at a time. */
interface Block {
  readonly bytes: Buffer
  /** One past the newline of its last line. */
  readonly lineEnd: number
  /** Bytes of the input before the block, and how many of the block's bytes are the input's. */
  readonly byte: number
  readonly given: number
  /** The beginning of the line that comes next. */
  at: number
  /** Up to here there is no newline. */
  searchFrom: number
  /** Whether the first line is the end of one that is too long. */
  skipsFirst: boolean
  /** Batches that have not been released. */
  batches: number
}

/** A batch's positions and what is wrong with its records, while lines are split. */
interface Lines {
  count: number
  faults: Map<number, RecordFault> | null
}

/**
 * Reads the lines of a byte input as records. A record's offset is the ordinal of its line; a blank
 * line has an ordinal and no record. The next block is read while the batches of the one before are
 * processed: each read is a trip to another thread, so a block may be several batches long.
 */
export class LineReader implements SourceReader {
  readonly split: Split
  readonly #input: ByteInput
  readonly #blockBytes: number
  readonly #batchBytes: number
  readonly #lineBytesMax: number
  #pending: PendingBlock | null = null
  #block: Block | null = null
  /** Blocks given back: new memory costs a page fault for every 4 KiB, which is seen in the speed. */
  readonly #free: Buffer[] = []
  /** What the last block left over, when no next block is under way. */
  #rest: Buffer = Buffer.alloc(0)
  /** Whether the rest is the beginning of a line that is too long: it does not grow any more. */
  #skipping = false
  /** Bytes of that line that are not in the rest. */
  #skippedBytes = 0
  /** Ordinal of the line that comes next, and the bytes of the input before it. */
  #line: number
  #byte: number
  readonly #positionAt: (next: LinePosition) => SourcePosition
  #ended = false
  /** Positions of one block's records; kept between blocks, so that they grow once. */
  #starts = new Int32Array(4096)
  #ends = new Int32Array(4096)
  #offsets = new Float64Array(4096)

  constructor(split: Split, input: ByteInput, options: LineReaderOptions = {}) {
    this.split = split
    this.#input = input
    this.#line = options.start?.offset ?? 0
    this.#byte = options.start?.byte ?? 0
    this.#positionAt = options.positionAt ?? ((next) => ({ ...next }))
    this.#blockBytes = options.blockBytes ?? 256 * 1024
    this.#batchBytes = options.batchBytes ?? 256 * 1024
    this.#lineBytesMax = options.lineBytesMax ?? 16 * 1024 * 1024
  }

  async pollBatch(): Promise<PollResult> {
    for (;;) {
      while (this.#block !== null) {
        const batch = this.#takeBatch(this.#block)
        if (batch !== null) return { kind: 'batch', batch, next: this.#next() }
      }
      if (this.#ended) return { kind: 'end' }
      const pending = this.#pending ?? this.#readAhead()
      this.#pending = null
      const filled = await this.#finish(pending.filled)
      if (filled === null) {
        this.#rest = pending.bytes.subarray(0, pending.carried)
        return { kind: 'idle', untilMs: 0 }
      }
      this.#openBlock(pending, filled)
    }
  }

  progress(): { readonly read: number; readonly total: number | undefined } {
    return this.#input.progress()
  }

  async close(): Promise<void> {
    this.#ended = true
    await this.#pending?.filled.catch(() => 0)
    this.#pending = null
    this.#block = null
    await this.#input.close()
  }

  #next(): SourcePosition {
    return this.#positionAt({ offset: this.#line, byte: this.#byte })
  }

  /** Starts to read a block behind the rest of the one before. */
  #readAhead(): PendingBlock {
    const carried = this.#rest.length
    // A block grows with the line that it could not end, so that a long line is copied few times.
    const end = carried + Math.max(this.#blockBytes, carried)
    const bytes = this.#allocate(end + PADDING_BYTES)
    this.#rest.copy(bytes)
    const filled = this.#input.fill(bytes, carried, end)
    // The failure is reported when the block is asked for; until then it must not be "unhandled".
    filled.catch(() => 0)
    return { bytes, carried, filled }
  }

  #allocate(length: number): Buffer {
    const free = this.#free.pop()
    if (free !== undefined && free.length >= length) return free
    // Rounded up: what is carried over differs from block to block.
    return Buffer.allocUnsafeSlow(Math.ceil(length / BLOCK_UNIT_BYTES) * BLOCK_UNIT_BYTES)
  }

  async #finish(filled: Promise<number | null>): Promise<number | null> {
    try {
      return await filled
    } catch (error) {
      this.#ended = true
      const reason = error instanceof Error ? error.message : String(error)
      throw this.#unreadable(`cannot be read further: ${reason}`, error)
    }
  }

  /** Finds the whole lines of a block, and starts to read what comes behind them. */
  #openBlock({ bytes, carried }: PendingBlock, filled: number): void {
    const given = carried + filled
    let length = given
    if (filled === 0) {
      this.#ended = true
      // A last line without a newline gets one.
      if (length > 0) bytes[length++] = NEWLINE
    }
    const lineEnd = bytes.subarray(0, length).lastIndexOf(NEWLINE) + 1
    this.#rest = bytes.subarray(lineEnd, length)
    if (lineEnd > 0) {
      this.#block = {
        bytes,
        lineEnd,
        byte: this.#byte + this.#skippedBytes,
        given,
        at: 0,
        searchFrom: carried,
        skipsFirst: this.#skipping,
        batches: 0,
      }
      this.#skipping = false
      this.#skippedBytes = 0
    }
    if (this.#skipping || this.#rest.length > this.#lineBytesMax) {
      this.#skipping = true
      this.#skippedBytes += Math.max(0, this.#rest.length - this.#keptBytes)
      this.#rest = this.#rest.subarray(0, this.#keptBytes)
    }
    // The rest is copied into the next block here, before the padding is written over it.
    if (!this.#ended) this.#pending = this.#readAhead()
    bytes.fill(NEWLINE, lineEnd, lineEnd + PADDING_BYTES)
  }

  /** The next records of a block; `null` where its lines are blank. */
  #takeBatch(block: Block): RecordBatch | null {
    const { bytes } = block
    const { count, faults } = this.#splitLines(block)
    this.#byte = block.byte + Math.min(block.at, block.given)
    if (block.at === block.lineEnd) this.#block = null
    if (count === 0) {
      this.#freeIfDone(block)
      return null
    }
    block.batches++
    return {
      split: this.split,
      bytes,
      count,
      starts: this.#starts.slice(0, count),
      ends: this.#ends.slice(0, count),
      offsets: this.#offsets.slice(0, count),
      release: () => {
        block.batches--
        this.#freeIfDone(block)
      },
      ...(faults === null ? {} : { faults }),
    }
  }

  #freeIfDone({ bytes, at, lineEnd, batches }: Block): void {
    if (at === lineEnd && batches === 0) this.#free.push(bytes)
  }

  get #keptBytes(): number {
    return Math.min(KEPT_BYTES, this.#lineBytesMax)
  }

  /** Notes the positions of the records of a batch, and where the next one begins. */
  #splitLines(block: Block): Lines {
    const { bytes, lineEnd } = block
    const lines: Lines = { count: 0, faults: null }
    let start = block.at
    // What is left is divided evenly: a last batch of a few lines would cost as much as a whole one.
    const batches = Math.max(1, Math.round((lineEnd - start) / this.#batchBytes))
    const limit = start + Math.ceil((lineEnd - start) / batches)
    let line = this.#line
    if (line === 0) start = byteOrderMarkLength(bytes, lineEnd)
    while (start < limit) {
      const newline = bytes.indexOf(NEWLINE, Math.max(block.searchFrom, start))
      let end = newline
      const isTooLong = block.skipsFirst || newline - start > this.#lineBytesMax
      if (isTooLong) {
        block.skipsFirst = false
        end = Math.min(newline, start + this.#keptBytes)
        bytes[end] = NEWLINE
        lines.faults ??= new Map()
        lines.faults.set(lines.count, { cause: 'too_long', reason: this.#tooLong() })
      } else if (end > start && bytes[end - 1] === CARRIAGE_RETURN) {
        // The record's end is a newline in any case: the byte scanner stops there.
        end--
        bytes[end] = NEWLINE
      }
      if (isTooLong || !isBlank(bytes, start, end)) {
        if (lines.count === this.#starts.length) this.#growPositions()
        this.#starts[lines.count] = start
        this.#ends[lines.count] = end
        this.#offsets[lines.count++] = line
      }
      line++
      start = newline + 1
    }
    block.at = start
    this.#line = line
    return lines
  }

  #growPositions(): void {
    this.#starts = twiceAsLong(this.#starts)
    this.#ends = twiceAsLong(this.#ends)
    this.#offsets = twiceAsLong(this.#offsets)
  }

  #tooLong(): string {
    const limit = sizeText(this.#lineBytesMax)
    const kept = `only its first ${sizeText(this.#keptBytes)} are kept`
    return `the line is longer than ${limit}, is it one JSON document a line? ${kept}`
  }

  #unreadable(what: string, cause?: unknown): TocsinError {
    const message = `${this.#input.name} ${what} (at or after line ${this.#line + 1})`
    return new TocsinError('INPUT_UNREADABLE', message, { cause })
  }
}

function sizeText(bytes: number): string {
  const mebibyte = 1024 * 1024
  return bytes < mebibyte ? `${bytes} bytes` : `${bytes / mebibyte} MiB`
}

function byteOrderMarkLength(bytes: Buffer, limit: number): number {
  const present = limit >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return present ? 3 : 0
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x09) return false
  }
  return true
}
