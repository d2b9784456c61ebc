import { assert } from '../errors.ts'
import { type Column, type ColumnBatch, ValueKind } from './column-batch.ts'
import { canonicalDecimal, decimalValue } from './decimal.ts'
import { finishHash, hashByte, hashKey, hashSeed } from './key-group.ts'
import { decodeWTF8, encodeWTF8 } from './wtf8.ts'

/** A part of a key longer than this is no key, in canonical bytes with its tag. */
export const keyPartBytesMax = 65_535

/** A number with more characters than this is no key. */
export const keyNumberCharsMax = 1_000

/** Why a record has no key. */
export type KeyFailure = 'missing' | 'null' | 'object' | 'array' | 'tooLong'

/** A value that can be part of a key, as alerts show it in `by`. */
export type KeyValue = string | number | boolean

/** First byte of a part. These stand in stored state: never renumber them. */
const Tag = { string: 1, number: 2, false: 3, true: 4, composite: 5 } as const

/**
 * Writes the canonical bytes of records' keys: equal bytes exactly where the keys are equal JSON
 * values of the same type.
 *
 * - A string is its tag and the text in UTF-8. Bad UTF-8 counts as U+FFFD, as in the decoded text;
 *   a lone surrogate keeps its own three bytes (WTF-8), so that equal JS strings, and only they,
 *   give equal bytes.
 * - A number is its tag and its exact decimal value (`canonicalDecimal`).
 * - `true` and `false` are tags. Null, missing, objects and arrays are no key.
 * - A key of one part is that part. Any other number of parts: a tag, then each part with its
 *   length before it (two bytes, big-endian), so that no two lists run together.
 *
 * Keys gather in `arena` until `reset`. Bind every batch before encoding its rows.
 */
export class KeyEncoder {
  /** The canonical bytes of all keys since `reset`; replaced by a larger one when it is full. */
  arena: Buffer = Buffer.allocUnsafeSlow(65_536)
  /** The last key is `arena[start .. end)`. */
  start = 0
  end = 0
  /** `hashKey` of the last key. */
  hash = 0
  /** Why the last row had no key; `null` if it had one. */
  failure: KeyFailure | null = null
  /** Index of the part that failed; means nothing where none did. */
  failedPart = 0

  readonly #slots: readonly number[]
  #columns: readonly Column[] = []
  #bytes: Buffer = Buffer.alloc(0)

  /** @param slots indexes into the batch's columns, one a part of the key. */
  constructor(slots: readonly number[]) {
    this.#slots = slots
  }

  bind(batch: ColumnBatch): void {
    this.#columns = this.#slots.map((slot) => {
      const column = batch.columns[slot]
      assert(column !== undefined, `no column ${slot} for the key`)
      return column
    })
    this.#bytes = batch.batch.bytes
  }

  /** Forgets all keys: what `arena` holds may be overwritten. */
  reset(): void {
    this.start = 0
    this.end = 0
  }

  /** Whether a row has a key, without writing it; one that is too long shows only when written. */
  hasKey(row: number): boolean {
    const columns = this.#columns
    for (let part = 0; part < columns.length; part++) {
      const kind = (columns[part] as Column).kinds[row] as ValueKind
      if (kind < ValueKind.false || kind > ValueKind.escapedString) return false
    }
    return true
  }

  /** Appends the key of a row; `false`, with `failure` set, where it has none. */
  encode(row: number): boolean {
    const columns = this.#columns
    const first = columns[0] as Column
    if (columns.length === 1 && first.kinds[row] === ValueKind.string) {
      return this.#encodeText(first.starts[row] as number, first.ends[row] as number)
    }
    const start = this.end
    this.start = start
    this.failedPart = 0
    this.failure =
      columns.length === 1 ? this.#writePart(columns[0] as Column, row) : this.#writeComposite(row)
    if (this.failure !== null) {
      this.end = start
      return false
    }
    this.hash = hashKey(this.arena, start, this.end)
    return true
  }

  /** The last key as a string with one char a byte: the form in which keys go into maps. */
  text(): string {
    return this.arena.toString('latin1', this.start, this.end)
  }

  /** By far the most keys are one plain text: it is hashed as it is copied. */
  #encodeText(from: number, to: number): boolean {
    this.start = this.end
    this.failedPart = 0
    this.failure = to - from >= keyPartBytesMax ? 'tooLong' : null
    if (this.failure !== null) return false
    this.#reserve(to - from + 1)
    const source = this.#bytes
    const arena = this.arena
    let at = this.end
    arena[at++] = Tag.string
    let hash = hashByte(hashSeed, Tag.string)
    for (let i = from; i < to; i++) {
      const byte = source[i] as number
      arena[at++] = byte
      hash = hashByte(hash, byte)
    }
    this.end = at
    this.hash = finishHash(hash)
    return true
  }

  #writeComposite(row: number): KeyFailure | null {
    const columns = this.#columns
    this.#reserve(1)
    this.arena[this.end++] = Tag.composite
    for (let part = 0; part < columns.length; part++) {
      this.failedPart = part
      this.#reserve(2)
      const lengthAt = this.end
      this.end += 2
      const failure = this.#writePart(columns[part] as Column, row)
      if (failure !== null) return failure
      this.arena.writeUInt16BE(this.end - lengthAt - 2, lengthAt)
    }
    return null
  }

  #writePart(column: Column, row: number): KeyFailure | null {
    const start = column.starts[row] as number
    const end = column.ends[row] as number
    switch (column.kinds[row] as ValueKind) {
      case ValueKind.string:
        return this.#writeToken(Tag.string, start, end)
      case ValueKind.escapedString:
        return this.#writeBytes(Tag.string, encodeWTF8(column.value(row) as string))
      case ValueKind.number:
        return this.#writeNumber(start, end)
      case ValueKind.false:
        return this.#writeBytes(Tag.false, noBytes)
      case ValueKind.true:
        return this.#writeBytes(Tag.true, noBytes)
      case ValueKind.null:
        return 'null'
      case ValueKind.object:
        return 'object'
      case ValueKind.array:
        return 'array'
      case ValueKind.missing:
        return 'missing'
    }
  }

  #writeNumber(start: number, end: number): KeyFailure | null {
    if (isPlainInteger(this.#bytes, start, end)) return this.#writeToken(Tag.number, start, end)
    if (end - start > keyNumberCharsMax) return 'tooLong'
    const decimal = canonicalDecimal(this.#bytes.toString('latin1', start, end))
    return this.#writeBytes(Tag.number, Buffer.from(decimal, 'latin1'))
  }

  #writeToken(tag: number, start: number, end: number): KeyFailure | null {
    if (end - start >= keyPartBytesMax) return 'tooLong'
    this.#reserve(end - start + 1)
    const source = this.#bytes
    const arena = this.arena
    let at = this.end
    arena[at++] = tag
    for (let i = start; i < end; i++) arena[at++] = source[i] as number
    this.end = at
    return null
  }

  #writeBytes(tag: number, bytes: Uint8Array): KeyFailure | null {
    if (bytes.length >= keyPartBytesMax) return 'tooLong'
    this.#reserve(bytes.length + 1)
    this.arena[this.end] = tag
    this.arena.set(bytes, this.end + 1)
    this.end += bytes.length + 1
    return null
  }

  #reserve(bytes: number): void {
    if (this.end + bytes <= this.arena.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.arena.length, this.end + bytes))
    this.arena.copy(larger, 0, 0, this.end)
    this.arena = larger
  }
}

/**
 * The canonical bytes of a key that a program has selected: the same as `KeyEncoder` writes for
 * the same JSON value, and for a list those of a key with so many parts; a list of one is a list.
 * What is no key gives the reason.
 */
export function canonicalKey(value: unknown): Buffer | KeyFailure {
  if (!Array.isArray(value)) return canonicalPart(value)
  const parts: Buffer[] = [Buffer.of(Tag.composite)]
  for (const item of value) {
    const part = canonicalPart(item)
    if (typeof part === 'string') return part
    const length = Buffer.alloc(2)
    length.writeUInt16BE(part.length)
    parts.push(length, part)
  }
  return Buffer.concat(parts)
}

/** The value that `canonicalKey` gave these bytes for: one value, or a list. */
export function keyValueOf(key: string): KeyValue | KeyValue[] {
  const values = decodeKey(key)
  return key.charCodeAt(0) === Tag.composite ? values : (values[0] as KeyValue)
}

function canonicalPart(value: unknown): Buffer | KeyFailure {
  switch (typeof value) {
    case 'string':
      return taggedPart(Tag.string, encodeWTF8(value))
    case 'number':
      // JSON has neither infinities nor NaN.
      if (!Number.isFinite(value)) return 'missing'
      return taggedPart(Tag.number, Buffer.from(canonicalDecimal(String(value)), 'latin1'))
    case 'boolean':
      return Buffer.of(value ? Tag.true : Tag.false)
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'array' : 'object'
    default:
      return 'missing'
  }
}

function taggedPart(tag: number, bytes: Uint8Array): Buffer | KeyFailure {
  return bytes.length >= keyPartBytesMax ? 'tooLong' : Buffer.concat([Buffer.of(tag), bytes])
}

/**
 * The values of a key, one a part, as alerts show them in `by`: a number as a number where a
 * double holds it, else as its digits.
 * @param key canonical bytes, or the same as a string with one char a byte.
 * @throws {TocsinError} ASSERTION if these are not the bytes of a key.
 */
export function decodeKey(key: Uint8Array | string): KeyValue[] {
  // By far the most keys are one plain text.
  if (typeof key === 'string' && plainTextKey.test(key)) return [key.slice(1)]
  const bytes = typeof key === 'string' ? Buffer.from(key, 'latin1') : Buffer.from(key)
  if (bytes[0] !== Tag.composite) return [decodePart(bytes)]
  const values: KeyValue[] = []
  let at = 1
  while (at < bytes.length) {
    assert(at + 2 <= bytes.length, 'the key ends within a length')
    const end = at + 2 + bytes.readUInt16BE(at)
    assert(end <= bytes.length, 'the key ends within a part')
    values.push(decodePart(bytes.subarray(at + 2, end)))
    at = end
  }
  return values
}

function decodePart(part: Buffer): KeyValue {
  switch (part[0]) {
    case Tag.string:
      return decodeWTF8(part.subarray(1))
    case Tag.number:
      return decimalValue(part.toString('latin1', 1))
    case Tag.false:
      return false
    case Tag.true:
      return true
    default:
      assert(false, `a key has no part with tag ${part[0]}`)
  }
}

/** Whether the token is its own canonical decimal: at most 21 digits and perhaps a minus sign. */
function isPlainInteger(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] === 0x2d ? start + 1 : start
  if (end - first > 21) return false
  if (first !== start && bytes[first] === 0x30) return false
  for (let i = first; i < end; i++) {
    const byte = bytes[i] as number
    if (byte < 0x30 || byte > 0x39) return false
  }
  return true
}

/** The canonical bytes of a text in ASCII: its tag, and itself. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the tag is one.
const plainTextKey = /^\u0001[\u0000-\u007f]*$/

const noBytes = new Uint8Array(0)
