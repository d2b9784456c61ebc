import { type Column, type StringConstant, ValueKind } from '../stream/column-batch.ts'
import { ColumnStore } from './column-store.ts'
import { skipExponent } from './json-skip.ts'

/** Slots of a column's cache of strings, a power of two: fields with more values fall through. */
const cacheSlots = 1024

/** A longer string is not worth the hash. */
const cachedBytesMax = 32

/** So many digits are below 2^53, and one division by a power of ten below 1e22 is then exact. */
const exactDigits = 15

const powersOfTen = Float64Array.from({ length: exactDigits + 1 }, (_, power) => 10 ** power)

/**
 * A column that knows where the values are, and decodes those that are asked for. Strings that
 * come again are the same JS string, without a call or an allocation.
 */
export class ScannedColumn extends ColumnStore implements Column {
  /** The bytes of the batch at hand. */
  bytes: Buffer = Buffer.alloc(0)
  /** The same bytes. */
  view: DataView = new DataView(new ArrayBuffer(0))
  readonly #cache: string[] = new Array<string>(cacheSlots).fill('')

  value(row: number): unknown {
    const start = this.starts[row] as number
    const end = this.ends[row] as number
    switch (this.kinds[row] as ValueKind) {
      case ValueKind.missing:
        return undefined
      case ValueKind.null:
        return null
      case ValueKind.false:
        return false
      case ValueKind.true:
        return true
      case ValueKind.number:
        return this.numbers[row]
      case ValueKind.string:
        return this.#plainText(start, end)
      case ValueKind.escapedString:
        return JSON.parse(this.bytes.toString('utf8', start - 1, end + 1))
      case ValueKind.object:
      case ValueKind.array:
        return JSON.parse(this.bytes.toString('utf8', start, end))
    }
  }

  isString(row: number, constant: StringConstant): boolean {
    const kind = this.kinds[row]
    const expected = constant.bytes
    if (kind !== ValueKind.string || expected === null) {
      const isText = kind === ValueKind.string || kind === ValueKind.escapedString
      return isText && this.value(row) === constant.text
    }
    const bytes = this.bytes
    const start = this.starts[row] as number
    if ((this.ends[row] as number) - start !== expected.length) return false
    for (let i = 0; i < expected.length; i++) {
      if (bytes[start + i] !== expected[i]) return false
    }
    return true
  }

  setToken(row: number, kind: ValueKind, start: number, end: number): void {
    this.kinds[row] = kind
    this.starts[row] = start
    this.ends[row] = end
  }

  /** Reads the number at `start`; gives the byte after it, or -1 where there is none. */
  setNumber(row: number, start: number): number {
    const { bytes, view } = this
    const lastWord = bytes.length - 4
    const first = bytes[start] === 0x2d ? start + 1 : start
    let p = first
    let dot = -1
    let mantissa = 0
    for (;;) {
      // Four digits at a time, then those that are left, as integers: each step on a double waits
      // for the one before.
      for (; p <= lastWord; p += 4) {
        const group = fourDigits(view.getInt32(p, true))
        if (group < 0) break
        mantissa = mantissa * 10_000 + group
      }
      let tail = 0
      let scale = 1
      let byte = bytes[p] as number
      while (byte >= 0x30 && byte <= 0x39) {
        tail = tail * 10 + (byte - 0x30)
        scale *= 10
        byte = bytes[++p] as number
      }
      mantissa = mantissa * scale + tail
      if (byte !== 0x2e || dot >= 0) break
      dot = p++
    }
    const places = dot < 0 ? 0 : p - dot - 1
    const integerEnd = dot < 0 ? p : dot
    const digits = integerEnd - first + places
    if (integerEnd === first || (integerEnd - first > 1 && bytes[first] === 0x30)) return -1
    if (dot >= 0 && places === 0) return -1
    const end = skipExponent(bytes, p)
    if (end < 0) return -1
    if (end !== p || digits > exactDigits) {
      this.numbers[row] = Number(bytes.toString('latin1', start, end))
    } else {
      const value = places === 0 ? mantissa : mantissa / (powersOfTen[places] as number)
      this.numbers[row] = first === start ? value : -value
    }
    this.setToken(row, ValueKind.number, start, end)
    return end
  }

  #plainText(start: number, end: number): string {
    const bytes = this.bytes
    const length = end - start
    if (length > cachedBytesMax) return bytes.toString('latin1', start, end)
    let hash = length
    for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + (bytes[i] as number)
    const slot = (hash ^ (hash >>> 10)) & (cacheSlots - 1)
    const cached = this.#cache[slot] as string
    if (cached.length === length && isText(bytes, start, cached)) return cached
    const text = bytes.toString('latin1', start, end)
    this.#cache[slot] = text
    return text
  }
}

/** The number that four bytes write, the first one lowest; -1 where one is no digit. */
function fourDigits(word: number): number {
  const digits = word ^ 0x30303030
  // A digit is 9 at most: 0x76 more does not reach the highest bit.
  if ((((digits + 0x76767676) | digits) & 0x80808080) !== 0) return -1
  const pairs = (digits * 10 + (digits >> 8)) & 0x00ff00ff
  return (pairs & 0xff) * 100 + (pairs >> 16)
}

function isText(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false
  }
  return true
}
