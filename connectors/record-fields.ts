import type { JsonValue } from '../src/stream/alert.ts'

/** What became of a record that fields were to be appended to. */
export type AppendResult =
  | { readonly kind: 'record'; readonly bytes: Buffer }
  /** It is no JSON object: its bytes go on as they are, and become a dead letter. */
  | { readonly kind: 'undecodable'; readonly reason: string }

/**
 * Fields as they stand in a record, encoded once for all records that get the same ones.
 * @param fields each name a plain word; an undefined value is left out
 */
export function encodeFields(fields: Readonly<Record<string, JsonValue | undefined>>): Buffer {
  const text = JSON.stringify(fields)
  return Buffer.from(text.slice(1, -1))
}

/**
 * A JSON object with fields that its outside knows (topic, key, headers), as in `{...record, site: 1}`:
 * they stand last, so that they win over fields of the same names, and a sender cannot forge them.
 * The record is not parsed: one that is broken stays broken.
 * @param fields what `encodeFields` gave
 */
export function appendFields(record: Buffer, fields: Buffer): AppendResult {
  const first = skipForward(record, 0)
  const last = skipBackward(record, record.length - 1)
  if (record[first] !== openingBrace || record[last] !== closingBrace || last <= first) {
    const reason = `expected a JSON object, got ${describe(record, first)}`
    return { kind: 'undecodable', reason }
  }
  if (fields.length === 0) return { kind: 'record', bytes: record }
  const isEmpty = skipForward(record, first + 1) === last
  const bytes = Buffer.allocUnsafe(last + fields.length + (isEmpty ? 1 : 2))
  let at = record.copy(bytes, 0, 0, last)
  if (!isEmpty) bytes[at++] = comma
  at += fields.copy(bytes, at)
  bytes[at] = closingBrace
  return { kind: 'record', bytes }
}

const openingBrace = 0x7b
const closingBrace = 0x7d
const comma = 0x2c

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** The first byte from `at` on that is no white space. */
function skipForward(bytes: Buffer, at: number): number {
  let found = at
  while (isSpace(bytes[found])) found++
  return found
}

function skipBackward(bytes: Buffer, at: number): number {
  let found = at
  while (isSpace(bytes[found])) found--
  return found
}

function describe(record: Buffer, first: number): string {
  if (first >= record.length) return 'nothing'
  switch (record[first]) {
    case 0x5b:
      return 'an array'
    case 0x22:
      return 'a string'
    case openingBrace:
      return 'one that is cut short'
    default:
      return 'something else'
  }
}
