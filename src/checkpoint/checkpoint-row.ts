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
 * | `e` | operator in 8 bytes, page in 6 | what some keys have open: `entry-page.ts` |
 * | `d` | operator in 8 bytes, page in 6 | what stands in the pages from that one on: `page-directory.ts` |
 * | `t` | operator in 8 bytes, bucket of time in 6, life in 4, count in 6 | timers: `stored-timers.ts` |
 * | `p` | operator in 8 bytes, part in 4 | what an operator holds beside its keys |
 * | `o` | sink in 8 bytes, checkpoint in 8 | staged alerts, as `outbox-format.ts` has them |
 */

/** Layout of the rows; a change of it is a new number, and a reader for the old one. */
const rowVersion = 3
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
    const reason =
      `its rows have version ${bytes[0]}, and this Tocsin knows ${rowVersion} ` +
      '(a savepoint made by the Tocsin that wrote them can be restored by this one)'
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

/** The key of a page of an operator's entries. @param page at most 2^48 - 1 */
export function pageKey(operator: string, page: number): Buffer {
  return numberedKey('e', operator, page)
}

/** The key of the list of an operator's pages that begins with `page`. */
export function directoryKey(operator: string, page: number): Buffer {
  return numberedKey('d', operator, page)
}

/** The page in the key of a page or of a list of pages, the bucket in that of timers. */
export function numberInKey(key: Buffer): number {
  return key.readUIntBE(9, 6)
}

/** Begins the keys of all pages of an operator. */
export function pagesPrefix(operator: string): Buffer {
  return prefixOf('e', operator)
}

/** Begins the keys of all lists of an operator's pages. */
export function directoriesPrefix(operator: string): Buffer {
  return prefixOf('d', operator)
}

function numberedKey(kind: 'e' | 'd' | 't', operator: string, number: number): Buffer {
  const bytes = Buffer.allocUnsafe(15)
  writePrefix(bytes, kind, operator)
  bytes.writeUIntBE(number, 9, 6)
  return bytes
}

/** The key of timers. @param bucket of time, whole, from 0 on */
export function timeKey(operator: string, bucket: number, life: number, count: number): Buffer {
  const bytes = Buffer.allocUnsafe(25)
  timeBucketKey(operator, bucket).copy(bytes)
  bytes.writeUInt32BE(life, 15)
  bytes.writeUIntBE(count, 19, 6)
  return bytes
}

/** Where the timers of a bucket begin. */
export function timeBucketKey(operator: string, bucket: number): Buffer {
  return numberedKey('t', operator, bucket)
}

/** Begins the keys of all timers of an operator. */
export function timePrefix(operator: string): Buffer {
  return prefixOf('t', operator)
}

export function partKey(operator: string, part: number): Buffer {
  const bytes = Buffer.alloc(13)
  writePrefix(bytes, 'p', operator)
  bytes.writeUInt32BE(part, 9)
  return bytes
}

export function stagedKey(sink: string, checkpoint: number): Buffer {
  const bytes = Buffer.alloc(17)
  writePrefix(bytes, 'o', sink)
  bytes.writeBigUInt64BE(BigInt(checkpoint), 9)
  return bytes
}

export function isPageKey(key: Buffer): boolean {
  return key[0] === 'e'.charCodeAt(0)
}

export function isTimeKey(key: Buffer): boolean {
  return key[0] === 't'.charCodeAt(0)
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

const digests = new Map<string, Buffer>()

function prefixOf(kind: RowKind, name: string): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes)
  writePrefix(bytes, kind, name)
  return bytes
}

function writePrefix(bytes: Buffer, kind: RowKind, name: string): void {
  let digest = digests.get(name)
  if (digest === undefined) {
    digest = createHash('sha256')
      .update(name)
      .digest()
      .subarray(0, prefixBytes - 1)
    digests.set(name, digest)
  }
  bytes[0] = kind.charCodeAt(0)
  bytes.set(digest, 1)
}

type RowKind = 'e' | 'd' | 'p' | 'o' | 't'

const prefixBytes = 9
