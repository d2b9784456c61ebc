import type { AbortedTransaction } from './fetch-response.ts'
import { ProtocolReader } from './protocol-reader.ts'

/** A batch of records as a producer wrote it, without those that no reader may see. */
export interface KafkaBatch {
  /** The records, compressed with `codec`; 0: not compressed. */
  readonly records: Buffer
  readonly codec: number
  readonly count: number
  readonly baseOffset: number
  /** Epoch ms. */
  readonly baseTimestamp: number
  /** When the broker appended it, epoch ms; undefined: the records' times are their producer's. */
  readonly appendTime: number | undefined
  /** The offset that comes after it and after what is not to be seen behind it. */
  readonly next: number
}

/** The whole batches of a fetched partition. */
export interface ReadBatches {
  readonly batches: readonly KafkaBatch[]
  /** Bytes of the first batch, where not even that one is whole; 0: some are, or there is none. */
  readonly bytesNeeded: number
}

/**
 * Reads the batches of a fetched partition. Those of aborted transactions and the marks that end
 * transactions give no records, but take offsets: where none precedes them an empty batch says so.
 * @throws {Error} for batches that Kafka before 0.11 wrote
 */
export function readRecordBatches(
  records: Buffer,
  aborted: readonly AbortedTransaction[],
): ReadBatches {
  const transactions = new AbortedTransactions(aborted)
  const batches: KafkaBatch[] = []
  let at = 0
  while (at + lengthEnd <= records.length) {
    const end = at + lengthEnd + records.readInt32BE(at + lengthAt)
    if (end > records.length) break
    const batch = readBatch(records.subarray(at, end), transactions)
    const last = batches.at(-1)
    if (batch.count === 0 && last !== undefined) {
      batches[batches.length - 1] = { ...last, next: batch.next }
    } else batches.push(batch)
    at = end
  }
  const isCutShort = batches.length === 0 && records.length >= lengthEnd
  return { batches, bytesNeeded: isCutShort ? lengthEnd + records.readInt32BE(lengthAt) : 0 }
}

const lengthAt = 8
const lengthEnd = 12
const magicAt = 16
const attributesAt = 21

const codecMask = 0x07
const appendTimeFlag = 0x08
const transactionalFlag = 0x10
const controlFlag = 0x20

function readBatch(bytes: Buffer, transactions: AbortedTransactions): KafkaBatch {
  const magic = bytes[magicAt] as number
  if (magic !== 2) {
    throw new Error(`its records are of message format ${magic}, of before Kafka 0.11`)
  }
  const reader = new ProtocolReader(bytes)
  const baseOffset = reader.int64()
  reader.at = attributesAt
  const attributes = reader.int16()
  const lastOffset = baseOffset + reader.int32()
  const baseTimestamp = reader.int64()
  const maxTimestamp = reader.int64()
  const producerId = reader.int64()
  reader.at += 6
  const count = reader.int32()
  const records = bytes.subarray(reader.at)
  const isVisible = transactions.areVisible(attributes, producerId, lastOffset, records)
  return {
    records: isVisible ? records : noBytes,
    codec: attributes & codecMask,
    count: isVisible ? count : 0,
    baseOffset,
    baseTimestamp,
    appendTime: (attributes & appendTimeFlag) === 0 ? undefined : maxTimestamp,
    next: lastOffset + 1,
  }
}

const noBytes = Buffer.alloc(0)

/** Tells, batch by batch, what belongs to transactions that were aborted (as Kafka's Fetcher does). */
class AbortedTransactions {
  readonly #ahead: AbortedTransaction[]
  readonly #producers = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#ahead = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  areVisible(attributes: number, producerId: number, lastOffset: number, records: Buffer): boolean {
    while (this.#ahead[0] !== undefined && this.#ahead[0].firstOffset <= lastOffset) {
      this.#producers.add(this.#ahead[0].producerId)
      this.#ahead.shift()
    }
    if ((attributes & controlFlag) !== 0) {
      if (isAbortMark(records)) this.#producers.delete(producerId)
      return false
    }
    return (attributes & transactionalFlag) === 0 || !this.#producers.has(producerId)
  }
}

/** The key of the one record of a control batch is its version and its type; type 0 is an abort. */
function isAbortMark(records: Buffer): boolean {
  // Length, attributes, time, offset and length of the key take a byte each: they are small.
  const keyAt = 5
  return records.length >= keyAt + 4 && records.readInt16BE(keyAt + 2) === 0
}
