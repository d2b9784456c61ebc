/** Reads the numbers and texts of Kafka's protocol one after the other. Numbers are big-endian. */
export class ProtocolReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  int16(): number {
    this.at += 2
    return this.bytes.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }

  /** Exact up to 2^53, which offsets, times and ids of producers never reach. */
  int64(): number {
    this.at += 8
    return this.bytes.readInt32BE(this.at - 8) * 2 ** 32 + this.bytes.readUInt32BE(this.at - 4)
  }

  text(): string {
    const length = this.int16()
    this.at += length
    return this.bytes.toString('utf8', this.at - length, this.at)
  }

  /** Bytes behind their length; none where they are null. They share the memory. */
  sized(): Buffer {
    const length = Math.max(0, this.int32())
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  list<Item>(read: () => Item): Item[] {
    const items: Item[] = []
    for (let left = this.int32(); left > 0; left--) items.push(read())
    return items
  }
}
