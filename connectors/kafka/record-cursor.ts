/** Steps over the records of a batch, whose layout is that of Kafka's message format 2. */
export class RecordCursor {
  offset = 0
  /** Epoch ms; -1: it has none. */
  timestamp = 0
  /** Where the key lies; end -1: it has none. */
  keyStart = 0
  keyEnd = -1
  /** Where the value lies; end -1: it has none. */
  valueStart = 0
  valueEnd = -1
  /** Where the number of headers stands, which the headers follow. */
  headersStart = 0
  /** Where the record ends. */
  end = 0
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  /** Puts the cursor before the record that begins at a place. */
  reset(bytes: Buffer, at: number): void {
    this.#bytes = bytes
    this.#at = at
  }

  /** Steps on the next record. @param base offset and time of its batch */
  next(base: { readonly baseOffset: number; readonly baseTimestamp: number }): void {
    const length = this.varint()
    this.end = this.#at + length
    this.#at++
    this.timestamp = base.baseTimestamp + this.varint()
    this.offset = base.baseOffset + this.varint()
    const keyLength = this.varint()
    this.keyStart = this.#at
    this.keyEnd = keyLength < 0 ? -1 : this.#at + keyLength
    this.#at += Math.max(0, keyLength)
    const valueLength = this.varint()
    this.valueStart = this.#at
    this.valueEnd = valueLength < 0 ? -1 : this.#at + valueLength
    this.headersStart = this.#at + Math.max(0, valueLength)
    this.#at = this.end
  }

  /** The headers of the record, in order; a value that is missing is null. */
  headers(): [name: string, value: Buffer | null][] {
    this.#at = this.headersStart
    const headers: [string, Buffer | null][] = []
    for (let left = this.varint(); left > 0; left--) {
      const name = (this.#sized() ?? '').toString('utf8')
      headers.push([name, this.#sized()])
    }
    this.#at = this.end
    return headers
  }

  /** A number of variable length, zigzag-coded; exact up to 2^53. */
  varint(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++] as number
    // Nearly all numbers of a record have one byte or two.
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 0x7f
    let scale = 0x80
    do {
      byte = bytes[this.#at++] as number
      value += (byte & 0x7f) * scale
      scale *= 0x80
    } while (byte >= 0x80)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  #sized(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
