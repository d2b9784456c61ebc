import { crc32 } from 'node:zlib'
import type { ByteWriter } from '../state/byte-writer.ts'
import { KeyEntry } from '../state/keyed-state-backend.ts'
import { corruptCheckpoint } from './checkpoint-row.ts'

/*
 * The row of an entry. Of each key there may be two, on two sides: a checkpoint writes the side that
 * the one before has not written, so that what the one before holds is there until this one counts.
 * Which of them count is told by their tags (`row-validity.ts`); of those that do the newest does.
 *
 * | bytes | content |
 * |---|---|
 * | 1 | version |
 * | 1 | flags: see below |
 * | 4 | life of the job that wrote it, big-endian |
 * | 6 | checkpoint that it belongs to, big-endian |
 * | 8 | timer, little-endian double, where flagged: event time at which the key must be looked at |
 * | 8 | expiry, likewise: event time from which on the row says nothing any more |
 * | rest | what the entry holds, as its operator writes it |
 * | 4 | CRC-32 of all before, big-endian |
 */
const entryRowVersion = 2
const headerBytes = 12
const crcBytes = 4

const tombstoneFlag = 1
const freshFlag = 2
const timerFlag = 4
const expiryFlag = 8

/** Which of a key's two rows: a byte of the row's key. */
export type RowSide = 0 | 1

/** Where a row stands in the job's history. */
export interface RowTag {
  /** Number of the job's process, from 1 on: a process opens the state once. */
  readonly life: number
  /** The checkpoint that the row belongs to. */
  readonly checkpoint: number
}

/** A key's entry in memory, with what is known of its newest row. */
export class StoredEntry extends KeyEntry {
  /** The checkpoint that the newest row belongs to; 0: there is none. */
  rowCheckpoint = 0
  rowSide: RowSide = 0
  /** Whether no row that counts lies on the other side. */
  isFresh = true
  isTombstone = false
  /** Bucket (`expiryBucketOf`) from whose end on the newest row says nothing. */
  rowExpiryBucket = noExpiry
}

/** A bucket that never ends. */
export const noExpiry = 0x0fffffff

const expiryBucketMs = 16_384

/** End of a bucket, epoch ms. */
export function expiryEndOf(bucket: number): number {
  return (bucket + 1) * expiryBucketMs
}

/** Coarse event times of expiry: few bits for each of many keys. */
export function expiryBucketOf(timestamp: number): number {
  if (timestamp === Infinity) return noExpiry
  return Math.min(noExpiry - 1, Math.max(0, Math.floor(timestamp / expiryBucketMs)))
}

/** Whether event time, epoch ms, has passed the end of a bucket. */
export function hasExpired(bucket: number, watermark: number): boolean {
  return bucket !== noExpiry && watermark >= expiryEndOf(bucket)
}

/** What a row says beside what its operator wrote. */
export interface EntryRow {
  readonly tag: RowTag
  readonly isTombstone: boolean
  readonly isFresh: boolean
  /** Epoch ms; infinity: none. */
  readonly timerAt: number
  readonly expiresAt: number
  /** Where the operator's bytes begin. */
  readonly contentAt: number
}

/** Begins a row; the operator's bytes follow, then `sealRow`. */
export function beginRow(
  out: ByteWriter,
  { life, checkpoint }: RowTag,
  row: Pick<EntryRow, 'isTombstone' | 'isFresh' | 'timerAt' | 'expiresAt'>,
): void {
  out.reset()
  out.byte(entryRowVersion)
  out.byte(
    (row.isTombstone ? tombstoneFlag : 0) |
      (row.isFresh ? freshFlag : 0) |
      (row.timerAt === Infinity ? 0 : timerFlag) |
      (row.expiresAt === Infinity ? 0 : expiryFlag),
  )
  out.fixed(life, 4)
  out.fixed(checkpoint, 6)
  if (row.timerAt !== Infinity) out.double(row.timerAt)
  if (row.expiresAt !== Infinity) out.double(row.expiresAt)
}

/** The row that was written, with its checksum. */
export function sealRow(out: ByteWriter): Buffer {
  const end = out.length
  out.fixed(0, crcBytes)
  const row = out.toBuffer()
  row.writeUInt32BE(checksumOf(row), end)
  return row
}

/** @throws {TocsinError} CHECKPOINT_CORRUPT, which names `what` and the choices */
export function readRow(row: Buffer, what: string): EntryRow {
  if (row.length < headerBytes + crcBytes) throw corruptCheckpoint(what, 'a row of it is cut short')
  if (row[0] !== entryRowVersion) {
    const reason = `its entries have version ${row[0]}, and this Tocsin knows ${entryRowVersion}`
    throw corruptCheckpoint(what, reason)
  }
  if (checksumOf(row) !== row.readUInt32BE(row.length - crcBytes)) {
    throw corruptCheckpoint(what, 'a row of it does not fit its checksum')
  }
  const flags = row[1] as number
  const hasTimer = (flags & timerFlag) !== 0
  const hasExpiry = (flags & expiryFlag) !== 0
  const expiryAt = headerBytes + (hasTimer ? 8 : 0)
  return {
    tag: tagOf(row),
    isTombstone: (flags & tombstoneFlag) !== 0,
    isFresh: (flags & freshFlag) !== 0,
    timerAt: hasTimer ? row.readDoubleLE(headerBytes) : Infinity,
    expiresAt: hasExpiry ? row.readDoubleLE(expiryAt) : Infinity,
    contentAt: expiryAt + (hasExpiry ? 8 : 0),
  }
}

/** What the operator wrote. */
export function contentOf({ bytes, row }: { bytes: Buffer; row: EntryRow }): Buffer {
  return bytes.subarray(row.contentAt, bytes.length - crcBytes)
}

function tagOf(row: Buffer): RowTag {
  return { life: row.readUInt32BE(2), checkpoint: row.readUIntBE(6, 6) }
}

function checksumOf(row: Buffer): number {
  return crc32(row.subarray(0, row.length - crcBytes))
}
