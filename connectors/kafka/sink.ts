import type { Kafka, Producer } from 'kafkajs'
import { PartialWriteError, type Sink } from '../../src/connector/sink.ts'
import type { ConnectorError } from '../../src/errors.ts'
import { alertRecord } from './alert-record.ts'
import { AlertTopic } from './alert-topic.ts'
import { clientRetry, kafkaClient } from './client-options.ts'
import { kafkaFailure } from './kafka-failure.ts'
import type { KafkaSinkOptions } from './sink-options.ts'
import { withinMs } from './within-ms.ts'

/**
 * A sink that sends alerts when it gets them, each at least once. Its producer is idempotent, so a
 * request that is sent again by the client is no duplicate; one that is sent again by us may be.
 */
export class KafkaSink implements Sink {
  readonly #options: KafkaSinkOptions
  readonly #kafka: Kafka
  readonly #topic: AlertTopic
  #producer: Producer | undefined

  constructor(options: KafkaSinkOptions) {
    this.#options = options
    this.#kafka = kafkaClient(options.client)
    this.#topic = new AlertTopic(options.topic)
  }

  open(): Promise<void> {
    return this.#attempt(() => this.#connect())
  }

  write(documents: readonly string[], ids: readonly string[] = []): Promise<void> {
    return this.#attempt(async () => {
      const producer = this.#producer ?? (await this.#connect())
      const alerts = documents.map((document, index) => ({ id: ids[index] ?? '', document }))
      const failures = new Map<number, ConnectorError>()
      const records = alerts.flatMap((alert, index) => {
        const refusal = this.#topic.refusalOf(alert)
        if (refusal === undefined) return [alertRecord(alert, this.#topic.partitions)]
        failures.set(index, refusal)
        return []
      })
      const { compression } = this.#options
      for (const messages of this.#topic.requests(records)) {
        await producer.send({ topic: this.#topic.name, messages: [...messages], compression })
      }
      for (const refusal of failures.values())
        throw new PartialWriteError(refusal.message, failures)
    })
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    if (producer === undefined) return
    // A connection that is broken may also fail to close: what was sent has been taken already.
    await withinMs(producer.disconnect(), 5000, () => undefined).catch(() => undefined)
  }

  /** Asks a broker for the topic. */
  checkConnection(): Promise<void> {
    return this.#attempt(() => this.#look())
  }

  async #look(): Promise<void> {
    const admin = this.#kafka.admin({ retry: clientRetry })
    try {
      await admin.connect()
      await this.#topic.look(admin)
    } finally {
      await admin.disconnect()
    }
  }

  async #connect(): Promise<Producer> {
    await this.#look()
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: clientRetry,
    })
    this.#producer = producer
    await producer.connect()
    return producer
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      await this.close()
      const { brokers } = this.#options.client
      const what = `cannot write to the topic ${this.#topic.name} at ${brokers.join(', ')}`
      throw kafkaFailure('OUTPUT_UNWRITABLE', what, cause)
    }
  }
}
