import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type Message } from 'kafkajs'
import protocolErrors from 'kafkajs/src/protocol/error.js'
import { ConnectorError, TocsinError } from '../../src/errors.ts'
import type { ClientOptions } from './client-options.ts'
import { compressionCodecs } from './compression.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import { protocolErrorOf } from './kafka-failure.ts'
import { type KafkaBatch, readRecordBatches } from './record-batches.ts'
import { RecordCursor } from './record-cursor.ts'

/** What is committed for one sink of one job. */
export interface CommitRecord {
  readonly job: string
  /** `null`: nothing yet. */
  readonly checkpoint: number | null
  /** The name of the instance of the job that wrote it. */
  readonly instance: string
}

/**
 * The compacted topic that holds, by key, the last `CommitRecord` of each sink. It is the truth about
 * what is committed: consumer offsets expire, and their metadata is lost by some clients.
 */
export class MarkerTopic {
  readonly name: string
  readonly #client: ClientOptions
  readonly #readMsMax: number

  /** @param readMsMax how long an open transaction of somebody else may hold back a read, ms */
  constructor(client: ClientOptions, name: string, readMsMax: number) {
    this.#client = client
    this.name = name
    this.#readMsMax = readMsMax
  }

  /** Creates it where it is not there. @throws {ConnectorError} SINK_MARKER: it would lose markers */
  async ensure(admin: Admin): Promise<void> {
    const wanted = { topic: this.name, numPartitions: 1, configEntries: settings }
    try {
      const isNew = await admin.createTopics({ topics: [wanted], waitForLeaders: false })
      if (isNew) await this.#untilKnown(admin)
    } catch (error) {
      // Whoever may not create topics may still use one that is there.
      if (!isRefusal(error) || !(await admin.listTopics()).includes(this.name)) throw error
    }
    const policy = await topicSetting(admin, this.name, 'cleanup.policy')
    if (
      policy === undefined ||
      policy
        .split(',')
        .map((each) => each.trim())
        .join() === 'compact'
    ) {
      return
    }
    throw new ConnectorError(
      'SINK_MARKER',
      `the topic ${this.name} has cleanup.policy=${policy}, and would lose what is committed: set it ` +
        'to compact, or choose another `marker_topic`',
      { retryable: false },
    )
  }

  /** A broker may not have heard yet of a topic that was just created. */
  async #untilKnown(admin: Admin): Promise<void> {
    const giveUpAt = performance.now() + createdMsMax
    for (;;) {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [this.name] })
        if (topics[0]?.partitions.every(({ leader }) => leader >= 0) === true) return
        if (performance.now() > giveUpAt) return
      } catch (error) {
        if (performance.now() > giveUpAt) throw error
      }
      await sleep(createdPauseMs)
    }
  }

  /** The record as it goes into the transaction that it marks. */
  message(key: string, record: CommitRecord): Message & { readonly partition: number } {
    return { key, value: JSON.stringify({ version, ...record }), partition: 0 }
  }

  /**
   * The last committed record of a key. After InitProducerId no transaction of that producer is open,
   * so it cannot change any more.
   * @throws {ConnectorError} SINK_MARKER: it is damaged, or of a version that is not known
   */
  async read(key: string): Promise<CommitRecord | undefined> {
    const options = { client: this.#client, topics: [this.name], readsUncommitted: false }
    const cluster = new KafkaCluster(options)
    try {
      await cluster.connect()
      const value = await this.#lastValue(cluster, key)
      return value === undefined ? undefined : this.#decode(key, value)
    } catch (error) {
      // What a source would stop for, a sink may wait for: by the client's own failure.
      throw error instanceof TocsinError && error.cause !== undefined ? error.cause : error
    } finally {
      await cluster.close()
    }
  }

  /**
   * Reads up to the high watermark: the transactions of others may hold back a part of it for a while,
   * and what is sought may lie there.
   */
  async #lastValue(cluster: KafkaCluster, key: string): Promise<string | undefined> {
    const first = await cluster.offsetsOf(this.name, [0], 'earliest')
    const giveUpAt = performance.now() + this.#readMsMax
    let value: string | undefined
    let offset = first.get(0) ?? 0
    let maxBytes = 1024 * 1024
    for (;;) {
      const leader = cluster.leaderOf(this.name, 0)
      if (leader === undefined) throw protocolErrors.createErrorFromCode(leaderNotAvailable)
      const at = { topic: this.name, partition: 0, offset, maxBytes }
      const { errorCode, partitions } = await cluster.fetch(leader, [at], fetchWaitMs)
      const [fetched] = partitions
      const failure = fetched?.errorCode || errorCode
      if (failure !== 0) throw protocolErrors.createErrorFromCode(failure)
      if (fetched === undefined) throw this.#heldBack()
      const { batches, bytesNeeded } = readRecordBatches(fetched.records, fetched.aborted)
      maxBytes = Math.max(maxBytes, bytesNeeded)
      for (const batch of batches) {
        value = (await lastValueIn(batch, key)) ?? value
        offset = batch.next
      }
      if (offset >= fetched.highWatermark) return value
      if (performance.now() > giveUpAt) throw this.#heldBack()
    }
  }

  #decode(key: string, value: string): CommitRecord {
    try {
      const { version: written, ...record } = JSON.parse(value)
      if (written === version) return record as CommitRecord
    } catch {
      // Told below.
    }
    const message = `the record ${key} in the topic ${this.name} is damaged, or of a later version: ${value}`
    throw new ConnectorError('SINK_MARKER', message, { retryable: false })
  }

  #heldBack(): ConnectorError {
    const message =
      `the topic ${this.name} could not be read to its end within ${this.#readMsMax} ms: it is slow, ` +
      'or an open transaction of another program holds it back (kafka-transactions find-hanging)'
    return new ConnectorError('OUTPUT_UNWRITABLE', message, { retryable: true })
  }
}

/** A setting of a topic; undefined where it may not be asked for. */
export async function topicSetting(
  admin: Admin,
  topic: string,
  setting: string,
): Promise<string | undefined> {
  try {
    const { resources } = await admin.describeConfigs({
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [setting] }],
      includeSynonyms: false,
    })
    return resources[0]?.configEntries.find(({ configName }) => configName === setting)?.configValue
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

/** The value of the last record of a batch with that key. */
async function lastValueIn(batch: KafkaBatch, key: string): Promise<string | undefined> {
  // We do not compress, but a topic can be set to.
  const codec = compressionCodecs.get(batch.codec)
  const isPlain = codec === undefined || batch.count === 0
  const bytes = isPlain ? batch.records : await codec.decompress(batch.records)
  const cursor = new RecordCursor()
  cursor.reset(bytes, 0)
  let value: string | undefined
  for (let left = batch.count; left > 0; left--) {
    cursor.next(batch)
    if (bytes.toString('utf8', cursor.keyStart, cursor.keyEnd) !== key) continue
    value = bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)
  }
  return value
}

const version = 1
const fetchWaitMs = 100
const createdMsMax = 10_000
const createdPauseMs = 50
const leaderNotAvailable = 5

/** Small segments, cleaned soon: what is to be read at a start stays some MiB. */
const settings = [
  { name: 'cleanup.policy', value: 'compact' },
  { name: 'segment.bytes', value: String(1024 * 1024) },
  { name: 'min.cleanable.dirty.ratio', value: '0.01' },
]

function isRefusal(error: unknown): boolean {
  const type = protocolErrorOf(error)
  return type?.endsWith('_AUTHORIZATION_FAILED') === true || type === 'POLICY_VIOLATION'
}
