import { randomUUID } from 'node:crypto'
import type { Kafka, Producer } from 'kafkajs'
import type { SinkAlert } from '../../src/connector/sink.ts'
import type { Marker, TwoPhaseCommitSink } from '../../src/connector/two-phase-commit-sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { type AlertRecord, alertRecord } from './alert-record.ts'
import { AlertTopic } from './alert-topic.ts'
import { clientRetry, kafkaClient } from './client-options.ts'
import { kafkaFailure, protocolErrorOf } from './kafka-failure.ts'
import { type CommitRecord, MarkerTopic } from './marker-topic.ts'
import type { KafkaSinkOptions } from './sink-options.ts'
import { withinMs } from './within-ms.ts'

/**
 * A sink that holds each alert once for readers with `isolation.level=read_committed`: the alerts of
 * a checkpoint and the mark that it is committed are one transaction.
 *
 * `init`, in this order:
 * 1. An instance that has worked before looks whether a newer one has taken over, and then ends:
 *    with the next step it would fence that one, which would fence it in turn.
 * 2. InitProducerId: ends what an older producer of the transactional id has left open, in the one
 *    way or the other, and fences it. Read before this, the marker could still change.
 * 3. The marker is read.
 * 4. The marker is written anew with the name of this instance, by which older ones know that it has
 *    taken over, and do not mistake it for a transaction that took too long.
 *
 * After any failure the producer is thrown away: what happened is unknown until the next `init`.
 */
export class TwoPhaseCommitKafkaSink implements TwoPhaseCommitSink {
  readonly #options: KafkaSinkOptions
  readonly #identity: CommitIdentity
  readonly #kafka: Kafka
  readonly #markers: MarkerTopic
  readonly #topic: AlertTopic
  /** Undefined: `init` comes first. */
  #open: OpenProducer | undefined
  readonly #instance = randomUUID()
  /** Whose names may stand in the marker while this instance is the newest; `null`: not yet known. */
  #expected: readonly (string | undefined)[] | null = null

  constructor(options: KafkaSinkOptions, identity: CommitIdentity) {
    const { client, topic, markerTopic, transactionTimeoutMs } = options
    this.#options = options
    this.#identity = identity
    this.#kafka = kafkaClient(client)
    // Of another job's transaction the broker notices after up to 10 s that its time is over.
    this.#markers = new MarkerTopic(client, markerTopic, transactionTimeoutMs + 30_000)
    this.#topic = new AlertTopic(topic)
  }

  init(): Promise<Marker | undefined> {
    return this.#attempt(async () => {
      await this.#discard()
      const found = await this.#takeOver()
      return found === null ? undefined : { checkpoint: found }
    })
  }

  commit(checkpoint: number, alerts: readonly SinkAlert[]): Promise<void> {
    return this.#attempt(async () => {
      const open = this.#open
      if (open === undefined) throw new Error('the sink has not been initialised')
      const { producer, record } = open
      if (record.checkpoint !== null && checkpoint <= record.checkpoint) return
      const next = { ...record, checkpoint }
      const records = alerts.map((alert) => alertRecord(alert, this.#topic.partitions))
      try {
        await this.#send(producer, records, next)
      } catch (failure) {
        await this.#discard()
        this.#topic.noteRefusal(records, failure)
        if (fenced.has(protocolErrorOf(failure) ?? '')) {
          this.#check(await this.#markers.read(this.#identity.transactionalId))
        }
        throw failure
      }
      this.#open = { producer, record: next }
    })
  }

  refusalOf(alert: SinkAlert): ConnectorError | undefined {
    return this.#topic.refusalOf(alert)
  }

  async close(): Promise<void> {
    await this.#discard()
  }

  /** Steps 1 to 4. Gives the checkpoint that is committed. */
  async #takeOver(): Promise<number | null> {
    const { transactionalId, job } = this.#identity
    const admin = this.#kafka.admin({ retry: clientRetry })
    try {
      await admin.connect()
      await this.#markers.ensure(admin)
      await this.#topic.look(admin)
      if (this.#expected !== null) this.#check(await this.#markers.read(transactionalId))
      const record = { job, checkpoint: null, instance: this.#instance }
      const producer = this.#producer()
      this.#open = { producer, record }
      await producer.connect()
      const transaction = await producer.transaction()
      const found = await this.#markers.read(transactionalId)
      this.#check(found)
      // If the commit fails, nobody knows whether this name stands there.
      this.#expected = [this.#instance, found?.instance]
      const checkpoint = found?.checkpoint ?? null
      this.#open = { producer, record: { ...record, checkpoint } }
      const messages = [this.#markers.message(transactionalId, this.#open.record)]
      await transaction.send({ topic: this.#markers.name, messages })
      await transaction.commit()
      this.#expected = [this.#instance]
      return checkpoint
    } finally {
      await admin.disconnect()
    }
  }

  /** Alerts and marker in one transaction; no request is larger than a batch may be. */
  async #send(
    producer: Producer,
    records: readonly AlertRecord[],
    next: CommitRecord,
  ): Promise<void> {
    const compression = this.#options.compression
    const transaction = await producer.transaction()
    for (const messages of this.#topic.requests(records)) {
      await transaction.send({
        topic: this.#topic.name,
        messages: [...messages],
        compression,
      })
    }
    const marker = this.#markers.message(this.#identity.transactionalId, next)
    await transaction.send({ topic: this.#markers.name, messages: [marker] })
    await transaction.commit()
  }

  #producer(): Producer {
    return this.#kafka.producer({
      transactionalId: this.#identity.transactionalId,
      transactionTimeout: this.#options.transactionTimeoutMs,
      idempotent: true,
      // More in flight and a retry puts them out of order, which the broker refuses.
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: clientRetry,
    })
  }

  /** @throws {ConnectorError} SINK_MARKER: the record is not this instance's, or another job's */
  #check(found: CommitRecord | undefined): void {
    const { transactionalId, job } = this.#identity
    if (found !== undefined && found.job !== job) {
      throw this.#refused(
        `the transactional id ${transactionalId} belongs to job ${found.job}, and this is job ${job}; ` +
          'choose another `transactional_id`',
      )
    }
    if (this.#expected === null || this.#expected.includes(found?.instance)) return
    throw this.#refused(
      `fenced: another instance of job ${job} has taken over the topic ${this.#topic.name} ` +
        `(transactional id ${transactionalId}); this one ends, and what it has not committed is the ` +
        "other's to send",
    )
  }

  #refused(message: string): ConnectorError {
    return new ConnectorError('SINK_MARKER', message, { retryable: false })
  }

  /** Lets go of the producer, whatever state it is in. */
  async #discard(): Promise<void> {
    const producer = this.#open?.producer
    this.#open = undefined
    if (producer === undefined) return
    // A connection that is broken may also fail to close: the next producer does not need it to.
    await withinMs(producer.disconnect(), 5000, () => undefined).catch(() => undefined)
  }

  async #attempt<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (cause) {
      await this.#discard()
      const { brokers } = this.#options.client
      const what = `cannot write to the topic ${this.#topic.name} at ${brokers.join(', ')}`
      throw kafkaFailure('OUTPUT_UNWRITABLE', what, cause)
    }
  }
}

/** Whose alerts are committed. */
export interface CommitIdentity {
  readonly job: string
  /** The same over restarts, and no other sink's. */
  readonly transactionalId: string
}

interface OpenProducer {
  readonly producer: Producer
  /** What is known to be committed. */
  readonly record: CommitRecord
}

/**
 * Errors by which a newer instance shows; each may also mean that a transaction took longer than its
 * time-out, or that the id has expired in days without an alert.
 */
const fenced: ReadonlySet<string> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_TXN_STATE',
])
