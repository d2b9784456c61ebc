import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { StoreChange } from '../connector/state-store.ts'
import { TocsinError } from '../errors.ts'
import type { JsonValue } from '../stream/alert.ts'

/*
 * The keys of a job's rows; numbers are big-endian.
 *
 * | first byte | then | value |
 * |---|---|---|
 * | `h` | | the checkpoint: its number and the job's own part |
 * | `l` | | the job's processes: `row-validity.ts` |
 * | `e` | operator in 8 bytes, key group in 2, side in 1, canonical key | what a key has open: `entry-row.ts` |
 * | `t`, `x` | operator in 8 bytes, bucket of time in 6, life in 4, count in 6 | timers, and times of expiry: `stored-timers.ts` |
 * | `p` | operator in 8 bytes, part in 4 | what an operator holds beside its keys |
 * | `o` | sink in 8 bytes, checkpoint in 8 | staged alerts, as `outbox-format.ts` has them |
 */

/** Layout of the rows; a change of it is a new number, and a reader for the old one. */
const rowVersion = 2
const headerBytes = 5

/** A value: JSON in UTF-8, in the frame of `frameRow`. */
export function encodeRow(value: JsonValue): Buffer {
  return frameRow(Buffer.from(JSON.stringify(value)))
}

/** @throws {TocsinError} CHECKPOINT_CORRUPT, which names `what` and the choices */
export function decodeRow(bytes: Buffer, what: string): JsonValue {
  return JSON.parse(contentOfRow(bytes, what).toString('utf8')) as JsonValue
}

/** A row: the version in a byte, the CRC-32 of the rest in four, the content. */
export function frameRow(content: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + content.length)
  bytes[0] = rowVersion
  bytes.writeUInt32BE(crc32(content), 1)
  content.copy(bytes, headerBytes)
  return bytes
}

/** What `frameRow` was given. @throws {TocsinError} CHECKPOINT_CORRUPT */
export function contentOfRow(bytes: Buffer, what: string): Buffer {
  if (bytes.length < headerBytes) throw corruptCheckpoint(what, 'a row of it is cut short')
  // The version comes before the checksum: a later one may be checked otherwise.
  if (bytes[0] !== rowVersion) {
    const reason = `its rows have version ${bytes[0]}, and this Tocsin knows ${rowVersion}`
    throw corruptCheckpoint(what, reason)
  }
  const payload = bytes.subarray(headerBytes)
  if (crc32(payload) !== bytes.readUInt32BE(1)) {
    throw corruptCheckpoint(what, 'a row of it does not fit its checksum')
  }
  return payload
}

export function corruptCheckpoint(what: string, reason: string): TocsinError {
  const message =
    `the state in ${what} cannot be restored: ${reason}. Choose: bring back a whole copy of that ` +
    'folder; or start anew with another state.dir and another state.job, which sends again, with ' +
    'the same ids, what is raised again'
  return new TocsinError('CHECKPOINT_CORRUPT', message)
}

export const headKey = Buffer.from('h')

export const livesKey = Buffer.from('l')

/** @param key canonical, one char a byte */
export function entryKey(operator: string, keyGroup: number, side: 0 | 1, key: string): Buffer {
  return entryKeyIn(entriesPrefix(operator), keyGroup, side, key)
}

/** The same where the prefix is at hand. */
export function entryKeyIn(prefix: Buffer, keyGroup: number, side: 0 | 1, key: string): Buffer {
  const bytes = beginEntryKey(prefix, keyGroup, side, key.length)
  // Keys are short: calls that copy bytes cost more than the bytes.
  for (let at = 0; at < key.length; at++) bytes[entryKeyBytes + at] = key.charCodeAt(at)
  return bytes
}

/** The same of a key in `text[start .. end)`. */
export function entryKeyOf(
  prefix: Buffer,
  keyGroup: number,
  side: 0 | 1,
  { text, start, end }: KeyText,
): Buffer {
  const bytes = beginEntryKey(prefix, keyGroup, side, end - start)
  for (let at = start; at < end; at++) bytes[entryKeyBytes + at - start] = text[at] as number
  return bytes
}

/** A canonical key among other bytes. */
export interface KeyText {
  readonly text: Buffer
  readonly start: number
  readonly end: number
}

function beginEntryKey(prefix: Buffer, keyGroup: number, side: 0 | 1, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(entryKeyBytes + length)
  for (let at = 0; at < prefix.length; at++) bytes[at] = prefix[at] as number
  bytes[9] = keyGroup >> 8
  bytes[10] = keyGroup & 0xff
  bytes[11] = side
  return bytes
}

/** The canonical key in the key of an entry's row, one char a byte. */
export function keyOfEntryKey(key: Buffer): string {
  return key.toString('latin1', entryKeyBytes)
}

export function keyGroupOfEntryKey(key: Buffer): number {
  return key.readUInt16BE(9)
}

export function sideOfEntryKey(key: Buffer): 0 | 1 {
  return key[11] === 0 ? 0 : 1
}

/** Begins the keys of all entries of an operator. */
export function entriesPrefix(operator: string): Buffer {
  return prefixOf('e', operator)
}

/** Begins the keys of all entries of a key group that lie on a side. */
export function entryPrefix(operator: string, keyGroup: number, side: 0 | 1): Buffer {
  return entryKey(operator, keyGroup, side, '')
}

const entryKeyBytes = 12

/** What times stand in rows by time: timers of keys, or when their state runs out. */
export type TimeKind = 't' | 'x'

/** @param bucket whole, from 0 on */
export function timeKey(
  kind: TimeKind,
  operator: string,
  bucket: number,
  life: number,
  count: number,
): Buffer {
  const bytes = Buffer.allocUnsafe(25)
  timeBucketKey(kind, operator, bucket).copy(bytes)
  bytes.writeUInt32BE(life, 15)
  bytes.writeUIntBE(count, 19, 6)
  return bytes
}

/** Where the times of a bucket begin. */
export function timeBucketKey(kind: TimeKind, operator: string, bucket: number): Buffer {
  const bytes = Buffer.allocUnsafe(15)
  prefixOf(kind, operator).copy(bytes)
  bytes.writeUIntBE(bucket, 9, 6)
  return bytes
}

/** Begins the keys of all times of an operator. */
export function timePrefix(kind: TimeKind, operator: string): Buffer {
  return prefixOf(kind, operator)
}

export function bucketOfTimeKey(key: Buffer): number {
  return key.readUIntBE(9, 6)
}

export function partKey(operator: string, part: number): Buffer {
  const bytes = Buffer.alloc(13)
  prefixOf('p', operator).copy(bytes)
  bytes.writeUInt32BE(part, 9)
  return bytes
}

export function stagedKey(sink: string, checkpoint: number): Buffer {
  const bytes = Buffer.alloc(17)
  prefixOf('o', sink).copy(bytes)
  bytes.writeBigUInt64BE(BigInt(checkpoint), 9)
  return bytes
}

export function isEntryKey(key: Buffer): boolean {
  return key[0] === 'e'.charCodeAt(0)
}

export function isTimeKey(key: Buffer): boolean {
  return key[0] === 't'.charCodeAt(0) || key[0] === 'x'.charCodeAt(0)
}

export function isStagedKey(key: Buffer): boolean {
  return key[0] === 'o'.charCodeAt(0)
}

/** The range of the rows whose keys begin so. */
export function rangeOf(prefix: Buffer): { readonly gte: Buffer; readonly lt: Buffer } {
  const lt = Buffer.from(prefix)
  let at = lt.length - 1
  while (lt[at] === 0xff) at--
  lt[at] = (lt[at] as number) + 1
  return { gte: prefix, lt: lt.subarray(0, at + 1) }
}

export function put(key: Buffer, value: Buffer): StoreChange {
  return { kind: 'put', key, value }
}

const prefixes = new Map<string, Buffer>()

function prefixOf(kind: 'e' | 'p' | 'o' | TimeKind, name: string): Buffer {
  const known = prefixes.get(kind + name)
  if (known !== undefined) return known
  const digest = createHash('sha256').update(name).digest().subarray(0, 8)
  const prefix = Buffer.concat([Buffer.from(kind), digest])
  prefixes.set(kind + name, prefix)
  return prefix
}
