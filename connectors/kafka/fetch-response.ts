import { ProtocolReader } from './protocol-reader.ts'

/** A transaction that was aborted: what its producer wrote from `firstOffset` on does not count. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** What a broker gave of one partition. */
export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  /** 0: none. */
  readonly errorCode: number
  /** The offset behind the last record, committed or not. */
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches, one behind the other; the last may be cut short. */
  readonly records: Buffer
}

/** The answer to a Fetch request of version 11. */
export interface FetchResponse {
  /** Of the request as a whole; 0: none. */
  readonly errorCode: number
  /** How long the broker asks to be left alone, ms; kafkajs sees to it. */
  readonly clientSideThrottleTime: number
  readonly partitions: readonly FetchedPartition[]
}

/**
 * Reads the answer to a Fetch request without an object for each record: that is what kafkajs's own
 * reading of it costs most for.
 */
export function readFetchResponse(bytes: Buffer): FetchResponse {
  const reader = new ProtocolReader(bytes)
  const clientSideThrottleTime = reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const partitions = reader
    .list(() => {
      const topic = reader.text()
      return reader.list(() => readPartition(reader, topic))
    })
    .flat()
  return { errorCode, clientSideThrottleTime, partitions }
}

function readPartition(reader: ProtocolReader, topic: string): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  // The last stable offset: what is given ends before it.
  reader.int64()
  const logStartOffset = reader.int64()
  const aborted = reader.list(() => ({ producerId: reader.int64(), firstOffset: reader.int64() }))
  // The replica that the broker would have us read from instead.
  reader.int32()
  const records = reader.sized()
  return { topic, partition, errorCode, highWatermark, logStartOffset, aborted, records }
}
