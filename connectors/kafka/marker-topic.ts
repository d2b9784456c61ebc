import { randomUUID } from 'node:crypto'
import kafkajs, { type Admin, type Kafka, type Message } from 'kafkajs'
import { ConnectorError } from '../../src/errors.ts'
import { clientRetry } from './client-options.ts'
import { protocolErrorOf } from './kafka-failure.ts'
import { withinMs } from './within-ms.ts'

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
  readonly #kafka: Kafka
  readonly #readMsMax: number

  /** @param readMsMax how long an open transaction of somebody else may hold back a read, ms */
  constructor(kafka: Kafka, name: string, readMsMax: number) {
    this.#kafka = kafka
    this.name = name
    this.#readMsMax = readMsMax
  }

  /** Creates it where it is not there. @throws {ConnectorError} SINK_MARKER: it would lose markers */
  async ensure(admin: Admin): Promise<void> {
    const wanted = { topic: this.name, numPartitions: 1, configEntries: settings }
    try {
      await admin.createTopics({ topics: [wanted], waitForLeaders: true })
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

  /** The record as it goes into the transaction that it marks. */
  message(key: string, record: CommitRecord): Message & { readonly partition: number } {
    return { key, value: JSON.stringify({ version, ...record }), partition: 0 }
  }

  /**
   * The last committed record of a key. After InitProducerId no transaction of that producer is open,
   * so it cannot change any more.
   * @throws {ConnectorError} SINK_MARKER: it is damaged, or of a version that is not known
   */
  async read(admin: Admin, key: string): Promise<CommitRecord | undefined> {
    const offsets = await admin.fetchTopicOffsets(this.name)
    const first = offsets.find(({ partition }) => partition === 0)
    if (first === undefined || first.high === first.low) return undefined
    const value = await this.#lastValue(key, BigInt(first.high) - 1n)
    return value === undefined ? undefined : this.#decode(key, value)
  }

  /** Reads up to the last offset, which may be that of a control record that is never shown. */
  async #lastValue(key: string, last: bigint): Promise<string | undefined> {
    const consumer = this.#kafka.consumer({
      // The client has no reading without a group: one that nobody else is in.
      groupId: `${key}.${randomUUID()}`,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 100,
      retry: clientRetry,
    })
    let value: string | undefined
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [this.name], fromBeginning: true })
      const reading = new Promise<void>((resolve, reject) => {
        consumer.on(consumer.events.CRASH, ({ payload }) => {
          if (!payload.restart) reject(payload.error)
        })
        consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
          if (payload.partition === 0 && BigInt(payload.lastOffset) >= last) resolve()
        })
      })
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          if (batch.partition !== 0) return
          for (const message of batch.messages) {
            if (message.key?.toString() === key) value = message.value?.toString()
          }
        },
      })
      await withinMs(reading, this.#readMsMax, () => this.#heldBack())
    } finally {
      await consumer.disconnect()
    }
    return value
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

const version = 1

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
