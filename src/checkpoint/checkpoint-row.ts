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
 * | `e` | operator in 8 bytes, key group in 2, canonical key | what a key has open |
 * | `p` | operator in 8 bytes, part in 4 | what an operator holds beside its keys |
 * | `o` | sink in 8 bytes, checkpoint in 8 | staged alerts, as `outbox-format.ts` has them |
 */

/** Layout of the rows; a change of it is a new number, and a reader for the old one. */
const rowVersion = 1
const headerBytes = 5

/** A value: the version in a byte, the CRC-32 of the rest in four, JSON in UTF-8. */
export function encodeRow(value: JsonValue): Buffer {
  const text = JSON.stringify(value)
  const bytes = Buffer.allocUnsafe(headerBytes + Buffer.byteLength(text))
  bytes[0] = rowVersion
  bytes.write(text, headerBytes, 'utf8')
  bytes.writeUInt32BE(crc32(bytes.subarray(headerBytes)), 1)
  return bytes
}

/** @throws {TocsinError} CHECKPOINT_CORRUPT, which names `what` and the choices */
export function decodeRow(bytes: Buffer, what: string): JsonValue {
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
  return JSON.parse(payload.toString('utf8')) as JsonValue
}

export function corruptCheckpoint(what: string, reason: string): TocsinError {
  const message =
    `the state in ${what} cannot be restored: ${reason}. Choose: bring back a whole copy of that ` +
    'folder; or start anew with another state.dir and another state.job, which sends again, with ' +
    'the same ids, what is raised again'
  return new TocsinError('CHECKPOINT_CORRUPT', message)
}

export const headKey = Buffer.from('h')

export function entryKey(operator: string, keyGroup: number, key: string): Buffer {
  const bytes = Buffer.allocUnsafe(11 + key.length)
  entryPrefix(operator).copy(bytes)
  bytes.writeUInt16BE(keyGroup, 9)
  bytes.write(key, 11, 'latin1')
  return bytes
}

/** The canonical key in the key of an entry's row. */
export function keyOfEntryKey(key: Buffer): Buffer {
  return key.subarray(11)
}

export function entryPrefix(operator: string): Buffer {
  return prefixOf('e', operator)
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

function prefixOf(kind: 'e' | 'p' | 'o', name: string): Buffer {
  const known = prefixes.get(kind + name)
  if (known !== undefined) return known
  const digest = createHash('sha256').update(name).digest().subarray(0, 8)
  const prefix = Buffer.concat([Buffer.from(kind), digest])
  prefixes.set(kind + name, prefix)
  return prefix
}
