import { crc32 } from 'node:zlib'
import type { RecordFault } from '../stream/record-batch.ts'

/** Records to be kept, as a source gave them. */
export interface IngestRecords {
  readonly bytes: Buffer
  readonly count: number
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** When each was taken in, epoch ms. */
  readonly ingestTimes: Float64Array
  /** Records that are dead letters as they come, by row; of a fault the log keeps the cause. */
  readonly faults?: ReadonlyMap<number, RecordFault>
  /** What their source must know again of them; there may be one without records. */
  readonly receipt?: Uint8Array
}

/** What a receipt stands with that is about no records. */
export const noRecords: IngestRecords = {
  bytes: Buffer.alloc(0),
  count: 0,
  starts: new Int32Array(0),
  ends: new Int32Array(0),
  ingestTimes: new Float64Array(0),
}

/** Records as the log keeps them: each has the ordinal after the one before it. */
export interface LoggedRecords extends Omit<IngestRecords, 'receipt'> {
  /** Ordinal of the first one. */
  readonly first: number
  /** In order. */
  readonly receipts: readonly Uint8Array[]
}

/** What a frame says about itself. */
export interface FrameHeader {
  readonly bodyChecksum: number
  readonly bodyBytes: number
  readonly count: number
  readonly first: number
}

/**
 * What one sync makes durable. A frame is written only after the one before it is durable; so one
 * that is broken and has another behind it is damage, and one at the end was never acknowledged.
 *
 * | bytes | what; numbers are big-endian |
 * |---|---|
 * | 4 | `TSIF` |
 * | 4 | CRC-32 of the rest of the header |
 * | 4 | CRC-32 of the body |
 * | 4 | length of the body |
 * | 4 | number of records |
 * | 8 | ordinal of the first record, as a double |
 * | for each | length in 30 bits, after two that say what is wrong with it; time of ingest as a double |
 * | for each | its bytes and a newline |
 * | 7 | newlines: with the last record's own the eight that a batch ends with |
 * | for each receipt | length, and its bytes |
 */
export function encodeFrame(first: number, groups: readonly IngestRecords[]): Buffer {
  const count = groups.reduce((sum, group) => sum + group.count, 0)
  const bodyBytes = groups.reduce((sum, group) => sum + loggedBytes(group), paddingBytes)
  const frame = Buffer.allocUnsafe(frameHeaderBytes + bodyBytes)
  let entry = frameHeaderBytes
  let at = entry + count * entryBytes
  for (const { bytes, count: records, starts, ends, ingestTimes, faults } of groups) {
    for (let row = 0; row < records; row++) {
      const start = starts[row] as number
      const end = ends[row] as number
      const fault = faults?.get(row)
      const flag = fault === undefined ? 0 : faultFlags[fault.cause]
      frame.writeUInt32BE(end - start + flag, entry)
      frame.writeDoubleBE(ingestTimes[row] as number, entry + 4)
      entry += entryBytes
      at += bytes.copy(frame, at, start, end)
      frame[at++] = newline
    }
  }
  frame.fill(newline, at, at + paddingBytes)
  at += paddingBytes
  for (const { receipt } of groups) {
    if (receipt === undefined) continue
    at = frame.writeUInt32BE(receipt.length, at)
    frame.set(receipt, at)
    at += receipt.length
  }
  frame.write(frameMagic, 0, 'latin1')
  frame.writeUInt32BE(crc32(frame.subarray(frameHeaderBytes)), 8)
  frame.writeUInt32BE(bodyBytes, 12)
  frame.writeUInt32BE(count, 16)
  frame.writeDoubleBE(first, 20)
  frame.writeUInt32BE(crc32(frame.subarray(8, frameHeaderBytes)), 4)
  return frame
}

/** How many bytes records and their receipt take in a frame. */
export function loggedBytes({ count, starts, ends, receipt }: IngestRecords): number {
  let sum = count * (entryBytes + 1) + (receipt === undefined ? 0 : 4 + receipt.length)
  for (let row = 0; row < count; row++) sum += (ends[row] as number) - (starts[row] as number)
  return sum
}

/** The header at a place; undefined: there is none that is whole. */
export function readFrameHeader(bytes: Buffer, at: number): FrameHeader | undefined {
  if (at + frameHeaderBytes > bytes.length) return undefined
  if (bytes.toString('latin1', at, at + 4) !== frameMagic) return undefined
  if (bytes.readUInt32BE(at + 4) !== crc32(bytes.subarray(at + 8, at + frameHeaderBytes))) {
    return undefined
  }
  return {
    bodyChecksum: bytes.readUInt32BE(at + 8),
    bodyBytes: bytes.readUInt32BE(at + 12),
    count: bytes.readUInt32BE(at + 16),
    first: bytes.readDoubleBE(at + 20),
  }
}

/** The records of a frame, which share its bytes; undefined: the body does not fit its checksum. */
export function readFrameBody(header: FrameHeader, body: Buffer): LoggedRecords | undefined {
  if (crc32(body) !== header.bodyChecksum) return undefined
  const { count, first } = header
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  const ingestTimes = new Float64Array(count)
  const faults = new Map<number, RecordFault>()
  let at = count * entryBytes
  for (let row = 0; row < count; row++) {
    const entry = row * entryBytes
    const length = body.readUInt32BE(entry)
    const fault = keptFaults.get(length - (length % lengthRange))
    if (fault !== undefined) faults.set(row, fault)
    starts[row] = at
    at += length % lengthRange
    ends[row] = at++
    ingestTimes[row] = body.readDoubleBE(entry + 4)
  }
  const receipts = readReceipts(body, at + paddingBytes)
  const records = { bytes: body, count, starts, ends, ingestTimes, first, receipts }
  return faults.size === 0 ? records : { ...records, faults }
}

function readReceipts(body: Buffer, from: number): Uint8Array[] {
  const receipts: Uint8Array[] = []
  for (let at = from; at < body.length; ) {
    const start = at + 4
    at = start + body.readUInt32BE(at)
    receipts.push(body.subarray(start, at))
  }
  return receipts
}

/**
 * Where the next whole header stands, of a frame behind the one that begins with `ordinal`, which may
 * be one of receipts alone; minus one: nowhere.
 */
export function findLaterFrame(bytes: Buffer, from: number, ordinal: number): number {
  for (let at = bytes.indexOf(frameMagic, from); at >= 0; at = bytes.indexOf(frameMagic, at + 1)) {
    const header = readFrameHeader(bytes, at)
    if (header !== undefined && header.first >= ordinal) return at
  }
  return -1
}

export const frameHeaderBytes = 28

const frameMagic = 'TSIF'
const entryBytes = 12
const paddingBytes = 7
const lengthRange = 2 ** 30
const faultFlags = { too_long: 2 * lengthRange, format: lengthRange } as const
const keptFaults: ReadonlyMap<number, RecordFault> = new Map([
  [
    faultFlags.too_long,
    {
      cause: 'too_long',
      reason: 'it is longer than its source takes; only its first bytes are kept',
    },
  ],
  [faultFlags.format, { cause: 'format', reason: "its source's format could not make JSON of it" }],
])
const newline = 0x0a
