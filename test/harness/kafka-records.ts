import { type Admin, Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { registerCompression } from '../../connectors/kafka/compression.ts'
import type { PollResult, SourceReader } from '../../src/connector/source.ts'
import type { RecordFault } from '../../src/stream/record-batch.ts'

/** A record that is to be written to a partition. */
export interface WrittenRecord {
  readonly partition?: number
  /** A JSON value, or bytes as they are; `null`: no value. */
  readonly value: unknown
  readonly key?: string | Buffer
  readonly headers?: Message['headers']
  /** Epoch ms. */
  readonly timestamp?: number
}

export interface WriteOptions {
  /** By the numbers of Kafka's protocol; default 0: none. */
  readonly compression?: number
  /** Records of one batch; default all. */
  readonly batch?: number
}

/** Writes records, a batch after the other, with a producer of its own. */
export async function writeRecords(
  bootstrap: string,
  topic: string,
  records: readonly WrittenRecord[],
  options: WriteOptions = {},
): Promise<void> {
  await withProducer(bootstrap, {}, (producer) => sendRecords(producer, topic, records, options))
}

/** The same by a producer or within its transaction. */
export async function sendRecords(
  producer: Pick<Producer, 'send'>,
  topic: string,
  records: readonly WrittenRecord[],
  { compression = 0, batch = records.length }: WriteOptions = {},
): Promise<void> {
  for (let from = 0; from < records.length; from += batch) {
    const messages = records.slice(from, from + batch).map(messageOf)
    await producer.send({ topic, messages, compression })
  }
}

function messageOf({ partition = 0, value, key, headers, timestamp }: WrittenRecord): Message {
  const bytes = value === null || Buffer.isBuffer(value) ? value : JSON.stringify(value)
  return {
    partition,
    value: bytes,
    ...(key === undefined ? {} : { key }),
    ...(headers === undefined ? {} : { headers }),
    ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
  }
}

export async function withProducer<Result>(
  bootstrap: string,
  options: { readonly transactionalId?: string },
  work: (producer: Producer) => Promise<Result>,
): Promise<Result> {
  registerCompression()
  const producer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).producer({
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
    // Topics are young: a send that is tried again must not write twice.
    idempotent: true,
    maxInFlightRequests: 1,
    ...options,
  })
  await producer.connect()
  try {
    return await work(producer)
  } finally {
    await producer.disconnect()
  }
}

export async function withAdmin<Result>(
  bootstrap: string,
  work: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

/** A record as a source gave it. */
export interface GivenRecord {
  readonly partition: number
  readonly offset: number
  readonly text: string
  readonly fault?: RecordFault
}

/** The records of a poll. */
export function recordsOf(result: PollResult): GivenRecord[] {
  if (result.kind !== 'batch') return []
  const { batch } = result
  return Array.from({ length: batch.count }, (_, row) => {
    const fault = batch.faults?.get(row)
    return {
      partition: batch.split.partition,
      offset: batch.offsets[row] as number,
      text: batch.bytes.toString('utf8', batch.starts[row], batch.ends[row]),
      ...(fault === undefined ? {} : { fault }),
    }
  })
}

/** Polls readers in turn, those that come to be too, until so many records have come. */
export async function readSome(
  readers: SourceReader[],
  count: number,
  timeoutMs = 30_000,
): Promise<GivenRecord[]> {
  const records: GivenRecord[] = []
  const until = performance.now() + timeoutMs
  while (records.length < count) {
    if (performance.now() > until) {
      throw new Error(`${records.length} of ${count} records came in ${timeoutMs} ms`)
    }
    for (const reader of [...readers]) {
      const result = await reader.pollBatch()
      if (result.kind === 'splits') readers.push(...result.readers)
      records.push(...recordsOf(result))
    }
  }
  return records
}

export async function closeAll(readers: readonly SourceReader[]): Promise<void> {
  for (const reader of readers) await reader.close()
}

/** Deletes what stands before an offset of partition 0, as retention does. */
export async function deleteRecordsBefore(
  bootstrap: string,
  topic: string,
  offset: number,
): Promise<void> {
  await withAdmin(bootstrap, async (admin) => {
    await admin.fetchTopicMetadata({ topics: [topic] })
    const partitions = [{ partition: 0, offset: String(offset) }]
    await admin.deleteTopicRecords({ topic, partitions })
  })
}
