const bytesFirst = 4096

/** A call that copies bytes costs more than so many bytes. */
const shortText = 32

/** The same where the call also makes an object. */
const copiedByLoop = 256

/**
 * Writes numbers, texts and plain values one behind the other, as compactly as their size allows;
 * `ByteReader` reads them back. The same writer is filled again and again.
 */
export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(bytesFirst)
  #end = 0

  /** Number of bytes that have been written. */
  get length(): number {
    return this.#end
  }

  /** Forgets what was written. */
  reset(): void {
    this.#end = 0
  }

  /** A copy of what was written, or of a part of it. */
  toBuffer(start = 0, end = this.#end): Buffer {
    const copy = Buffer.allocUnsafe(end - start)
    this.#bytes.copy(copy, 0, start, end)
    return copy
  }

  /** Copies what was written to `bytes[start ..)`. */
  copyTo(bytes: Buffer, start: number): void {
    this.#bytes.copy(bytes, start, 0, this.#end)
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#end++] = value
  }

  /** A whole number from 0 to 2^53 - 1, seven bits a byte. */
  uint(value: number): void {
    this.#reserve(8)
    const bytes = this.#bytes
    let rest = value
    // Beyond 32 bits there are no bit operations.
    while (rest > 0x7fffffff) {
      bytes[this.#end++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      bytes[this.#end++] = (rest & 127) | 128
      rest >>>= 7
    }
    bytes[this.#end++] = rest
  }

  /** A whole number from 0 on in so many bytes, at most 6, the greatest first. */
  fixed(value: number, width: number): void {
    this.#reserve(width)
    this.#end = this.#bytes.writeUIntBE(value, this.#end, width)
  }

  /** An integer of 32 bits, the lowest byte first. */
  int32(value: number): void {
    this.#reserve(4)
    const bytes = this.#bytes
    bytes[this.#end++] = value
    bytes[this.#end++] = value >>> 8
    bytes[this.#end++] = value >>> 16
    bytes[this.#end++] = value >>> 24
  }

  /** Any number, in eight bytes. */
  double(value: number): void {
    this.#reserve(8)
    this.#end = this.#bytes.writeDoubleLE(value, this.#end)
  }

  /** A text of chars up to 0xff, a byte each: a key, or an event's JSON. */
  latin1(text: string): void {
    this.uint(text.length)
    this.#reserve(text.length)
    if (text.length > shortText) {
      this.#end += this.#bytes.write(text, this.#end, 'latin1')
      return
    }
    for (let at = 0; at < text.length; at++) this.#bytes[this.#end++] = text.charCodeAt(at)
  }

  /** Bytes as they are: whoever reads them knows how many there are. */
  raw(bytes: Buffer): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#end)
    this.#end += bytes.length
  }

  /** What another writer has written. */
  append(other: ByteWriter): void {
    const end = other.#end
    this.#reserve(end)
    this.#end += other.#bytes.copy(this.#bytes, this.#end, 0, end)
  }

  /** `bytes[start .. end)` as `latin1` would write them. */
  bytes(bytes: Buffer, start: number, end: number): void {
    this.uint(end - start)
    this.#reserve(end - start)
    if (end - start > copiedByLoop) {
      this.#end += bytes.copy(this.#bytes, this.#end, start, end)
      return
    }
    const target = this.#bytes
    let at = this.#end
    for (let from = start; from < end; from++) target[at++] = bytes[from] as number
    this.#end = at
  }

  /** Any text; one with chars beyond 0xff takes two bytes a char, so that none is lost. */
  text(text: string): void {
    const isLatin1 = !/[^\0-\xff]/.test(text)
    this.byte(isLatin1 ? 0 : 1)
    if (isLatin1) {
      this.latin1(text)
      return
    }
    this.uint(text.length)
    this.#reserve(2 * text.length)
    this.#end += this.#bytes.write(text, this.#end, 'utf16le')
  }

  /** Plain JSON data, or `undefined`. */
  value(value: unknown): void {
    if (typeof value === 'number') {
      if (Number.isInteger(value) && value >= 0 && value <= 0xfffff && !Object.is(value, -0)) {
        this.byte(ValueTag.uint)
        this.uint(value)
      } else {
        this.byte(ValueTag.double)
        this.double(value)
      }
    } else if (typeof value === 'string') {
      this.byte(ValueTag.text)
      this.text(value)
    } else if (value === undefined) this.byte(ValueTag.undefined)
    else if (value === null) this.byte(ValueTag.null)
    else if (typeof value === 'boolean') this.byte(value ? ValueTag.true : ValueTag.false)
    else {
      this.byte(ValueTag.json)
      this.text(JSON.stringify(value))
    }
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return
    const longer = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#end + count))
    this.#bytes.copy(longer, 0, 0, this.#end)
    this.#bytes = longer
  }
}

/** What stands before a value: stored state depends on these numbers. */
export const ValueTag = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  uint: 4,
  double: 5,
  text: 6,
  json: 7,
} as const
