import { crc32 } from 'node:zlib'
import { ByteReader } from '../state/byte-reader.ts'
import { ByteWriter } from '../state/byte-writer.ts'
import { corruptCheckpoint } from './checkpoint-row.ts'
import type { RowTag } from './row-validity.ts'

/*
 * A page of an entry log: what some keys had open, one record behind the other, in the order in which
 * they were written. A page is written once and never changed.
 *
 * | bytes | content |
 * |---|---|
 * | 1 | version |
 * | 4 | life of the job that wrote it, big-endian |
 * | 6 | checkpoint that its first records can belong to, big-endian |
 * | | the records |
 * | 4 each | where each record begins, little-endian |
 * | 2 | number of records, little-endian |
 * | 4 | CRC-32 of all before, big-endian |
 *
 * A record:
 *
 * | bytes | content |
 * |---|---|
 * | 1 | flags, and in the upper four bits how much later its checkpoint is than the page's |
 * | 4 | `hashKey` of its key, little-endian |
 * | 7 | where flagged: page and slot of the key's record before, which it takes the place of |
 * | 8 | timer, little-endian double, where flagged: event time at which the key must be looked at |
 * | 8 | expiry, likewise: event time from which on the record says nothing any more |
 * | | the key's length in `ByteWriter.uint`, the canonical key |
 * | rest | what the entry holds, as its operator writes it; nothing in a tombstone |
 */
const pageVersion = 3
const headerBytes = 11
const offsetBytes = 4
const trailerBytes = 6

const tombstoneFlag = 1
const beforeFlag = 2
const timerFlag = 4
const expiryFlag = 8
const checkpointShift = 4
/** How much later a record's checkpoint may be than that of its page. */
const checkpointRange = 15

const slabBytes = 256 * 1024

/** Records of a page at most: a slot is a byte. */
export const slotsMax = 256

/** What is said of an entry beside what its operator writes. */
export interface RecordHead {
  /** The canonical key, one char a byte. */
  readonly key: string
  readonly hash: number
  /** The checkpoint that it belongs to. */
  readonly checkpoint: number
  /** The key holds nothing. */
  readonly isTombstone: boolean
  /** Epoch ms; infinity: none. */
  readonly timerAt: number
  readonly expiresAt: number
  /** Where the record is whose place it takes; page -1: there is none. */
  readonly beforePage: number
  readonly beforeSlot: number
}

/** A record as it lies in a page. */
export interface EntryRecord extends Omit<RecordHead, 'key'> {
  readonly bytes: Buffer
  readonly keyStart: number
  readonly keyEnd: number
  /** Where the operator's bytes end; they begin behind the key. */
  readonly end: number
}

/** Makes pages, one after the other. */
export class PageBuilder {
  /** Where the operator's bytes go after `add`. */
  readonly out = new ByteWriter()
  readonly #offsets: number[] = []
  #checkpoint = 0
  /** Memory for the next pages: a buffer for each costs more than all that is written to it. */
  #slab: Buffer = Buffer.alloc(0)
  #slabEnd = 0

  get count(): number {
    return this.#offsets.length
  }

  /** Bytes so far. */
  get length(): number {
    return this.out.length
  }

  begin({ life, checkpoint }: RowTag): void {
    const { out } = this
    out.reset()
    this.#offsets.length = 0
    this.#checkpoint = checkpoint
    out.byte(pageVersion)
    out.fixed(life, 4)
    out.fixed(checkpoint, 6)
  }

  /** Whether a record of a checkpoint can stand in the page. */
  takes(checkpoint: number): boolean {
    const later = checkpoint - this.#checkpoint
    return later >= 0 && later <= checkpointRange && this.#offsets.length < slotsMax
  }

  /** Begins a record; the operator's bytes follow. @returns its slot */
  add(head: RecordHead): number {
    const { out } = this
    const { key, hash, checkpoint, isTombstone, timerAt, expiresAt, beforePage, beforeSlot } = head
    const slot = this.#offsets.push(out.length) - 1
    out.byte(
      ((checkpoint - this.#checkpoint) << checkpointShift) |
        (isTombstone ? tombstoneFlag : 0) |
        (beforePage < 0 ? 0 : beforeFlag) |
        (timerAt === Infinity ? 0 : timerFlag) |
        (expiresAt === Infinity ? 0 : expiryFlag),
    )
    out.int32(hash)
    if (beforePage >= 0) {
      out.fixed(beforePage, 6)
      out.byte(beforeSlot)
    }
    if (timerAt !== Infinity) out.double(timerAt)
    if (expiresAt !== Infinity) out.double(expiresAt)
    out.latin1(key)
    return slot
  }

  /** A copy of a record of the page that is being made. */
  recordAt(slot: number): EntryRecord {
    const bytes = this.out.toBuffer(this.#offsets[slot], this.#offsets[slot + 1])
    return recordIn(bytes, 0, bytes.length, this.#checkpoint)
  }

  /** The whole page. */
  seal(): Buffer {
    const { out } = this
    for (const offset of this.#offsets) out.int32(offset)
    out.byte(this.count)
    out.byte(this.count >> 8)
    const end = out.length
    out.int32(0)
    const page = this.#take(out.length)
    out.copyTo(page, 0)
    page.writeUInt32BE(crc32(page.subarray(0, end)), end)
    return page
  }

  #take(length: number): Buffer {
    if (length > slabBytes / 4) return Buffer.allocUnsafeSlow(length)
    if (this.#slabEnd + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes)
      this.#slabEnd = 0
    }
    this.#slabEnd += length
    return this.#slab.subarray(this.#slabEnd - length, this.#slabEnd)
  }
}

/** A page that was written. */
export class EntryPage {
  readonly bytes: Buffer
  readonly life: number
  readonly checkpoint: number
  readonly count: number
  readonly #offsetsAt: number

  /** Use `readPage` for what comes from the disk. */
  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.life = bytes.readUInt32BE(1)
    this.checkpoint = bytes.readUIntBE(5, 6)
    this.count = bytes.readUInt16LE(bytes.length - trailerBytes)
    this.#offsetsAt = bytes.length - trailerBytes - offsetBytes * this.count
  }

  recordAt(slot: number): EntryRecord {
    return recordIn(this.bytes, this.#offsetOf(slot), this.#offsetOf(slot + 1), this.checkpoint)
  }

  #offsetOf(slot: number): number {
    if (slot === this.count) return this.#offsetsAt
    return this.bytes.readUInt32LE(this.#offsetsAt + offsetBytes * slot)
  }
}

/** @throws {TocsinError} CHECKPOINT_CORRUPT, which names `what` and the choices */
export function readPage(bytes: Buffer, what: string): EntryPage {
  if (bytes.length < headerBytes + trailerBytes) {
    throw corruptCheckpoint(what, 'a page of its entries is cut short')
  }
  if (bytes[0] !== pageVersion) {
    const reason = `its entries have version ${bytes[0]}, and this Tocsin knows ${pageVersion}`
    throw corruptCheckpoint(what, reason)
  }
  const end = bytes.length - 4
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
    throw corruptCheckpoint(what, 'a page of its entries does not fit its checksum')
  }
  return new EntryPage(bytes)
}

/** Whether a record is of the key in `text[start .. end)`. */
export function isOfKey(
  { bytes, keyStart, keyEnd }: EntryRecord,
  text: Buffer,
  start: number,
  end: number,
): boolean {
  if (keyEnd - keyStart !== end - start) return false
  for (let at = start; at < end; at++) {
    if (bytes[keyStart + at - start] !== text[at]) return false
  }
  return true
}

/** The canonical key of a record, one char a byte. */
export function keyOf({ bytes, keyStart, keyEnd }: EntryRecord): string {
  return bytes.toString('latin1', keyStart, keyEnd)
}

/** What the operator wrote. */
export function contentOf({ bytes, keyEnd, end }: EntryRecord): Buffer {
  return bytes.subarray(keyEnd, end)
}

function recordIn(bytes: Buffer, start: number, end: number, pageCheckpoint: number): EntryRecord {
  const from = new ByteReader(bytes, start)
  const flags = from.byte()
  const hash = from.int32()
  const hasBefore = (flags & beforeFlag) !== 0
  const beforePage = hasBefore ? from.fixed(6) : -1
  const beforeSlot = hasBefore ? from.byte() : 0
  const timerAt = (flags & timerFlag) === 0 ? Infinity : from.double()
  const expiresAt = (flags & expiryFlag) === 0 ? Infinity : from.double()
  const length = from.uint()
  return {
    checkpoint: pageCheckpoint + (flags >> checkpointShift),
    isTombstone: (flags & tombstoneFlag) !== 0,
    hash,
    beforePage,
    beforeSlot,
    timerAt,
    expiresAt,
    bytes,
    keyStart: from.at,
    keyEnd: from.at + length,
    end,
  }
}
