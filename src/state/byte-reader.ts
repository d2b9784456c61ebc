import { assert } from '../errors.ts'
import { ValueTag } from './byte-writer.ts'

/** Reads what a `ByteWriter` has written, in the same order. */
export class ByteReader {
  readonly buffer: Buffer
  /** Where the next byte is read. */
  at: number

  constructor(buffer: Buffer, at = 0) {
    this.buffer = buffer
    this.at = at
  }

  get isAtEnd(): boolean {
    return this.at >= this.buffer.length
  }

  byte(): number {
    const value = this.buffer[this.at++]
    assert(value !== undefined, 'what is read was written')
    return value
  }

  uint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const next = this.byte()
      value += (next & 127) * factor
      if (next < 128) return value
    }
  }

  /** An integer of 32 bits, the lowest byte first. */
  int32(): number {
    const { buffer, at } = this
    this.at += 4
    return (
      (buffer[at] as number) |
      ((buffer[at + 1] as number) << 8) |
      ((buffer[at + 2] as number) << 16) |
      ((buffer[at + 3] as number) << 24)
    )
  }

  /** What `fixed` has written in so many bytes. */
  fixed(width: number): number {
    this.at += width
    return this.buffer.readUIntBE(this.at - width, width)
  }

  double(): number {
    const value = this.buffer.readDoubleLE(this.at)
    this.at += 8
    return value
  }

  latin1(): string {
    const length = this.uint()
    this.at += length
    return this.buffer.toString('latin1', this.at - length, this.at)
  }

  text(): string {
    if (this.byte() === 0) return this.latin1()
    const length = 2 * this.uint()
    this.at += length
    return this.buffer.toString('utf16le', this.at - length, this.at)
  }

  value(): unknown {
    const tag = this.byte()
    switch (tag) {
      case ValueTag.undefined:
        return undefined
      case ValueTag.null:
        return null
      case ValueTag.false:
        return false
      case ValueTag.true:
        return true
      case ValueTag.uint:
        return this.uint()
      case ValueTag.double:
        return this.double()
      case ValueTag.text:
        return this.text()
      default:
        assert(tag === ValueTag.json, `value tag ${tag} is known`)
        return JSON.parse(this.text())
    }
  }
}
