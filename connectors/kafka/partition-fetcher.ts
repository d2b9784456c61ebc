import { setTimeout as sleep } from 'node:timers/promises'
import protocolErrors from 'kafkajs/src/protocol/error.js'
import { TocsinError } from '../../src/errors.ts'
import { compressionCodecs } from './compression.ts'
import { failureText } from './failure-text.ts'
import type { FetchedPartition, FetchResponse } from './fetch-response.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { type KafkaBatch, readRecordBatches } from './record-batches.ts'
import type { ReadableBatch } from './record-packer.ts'

/** How long a broker may wait for the first record, ms. */
const fetchWaitMs = 250
/** The same where another partition of the broker is full, and may want more at any moment. */
const shortWaitMs = 20
/** From one attempt to the next where a broker fails, ms: twice as long each time. */
const pauseMs = 100
const pauseMaxMs = 5000

const offsetOutOfRange = 1
/** Errors of partitions that trying again does not mend: no permission. */
const lastingErrors = [29, 30]

/**
 * Keeps the queues of partitions filled: one Fetch at a time to each broker, for all its partitions
 * that have room. Whatever passes by itself (a broker that is away, a leader that has moved) is
 * waited for.
 */
export class PartitionFetcher {
  readonly #cluster: KafkaCluster
  readonly #queues: PartitionQueue[] = []
  /** Brokers with a Fetch under way. */
  readonly #busy = new Set<number>()
  readonly #failures = new Map<number, number>()
  readonly #closing = new AbortController()
  #turn = 0
  #refreshing: Promise<void> | null = null

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster
  }

  add(queue: PartitionQueue): void {
    this.#queues.push(queue)
    this.pump()
  }

  /** Sends what can be sent. */
  pump(): void {
    if (this.#closing.signal.aborted) return
    const byBroker = new Map<number, PartitionQueue[]>()
    const withFull = new Set<number>()
    for (const queue of this.#queues) {
      if (queue.isOver || queue.isFetching) continue
      const leader = this.#cluster.leaderOf(queue.topic, queue.partition)
      if (leader === undefined) this.#awaitLeader(queue)
      else if (queue.isFull) withFull.add(leader)
      else byBroker.set(leader, [...(byBroker.get(leader) ?? []), queue])
    }
    for (const [node, queues] of byBroker) {
      if (this.#busy.has(node)) continue
      void this.#fetchFrom(node, queues, withFull.has(node) ? shortWaitMs : fetchWaitMs)
    }
  }

  close(): void {
    this.#closing.abort()
    for (const queue of this.#queues) queue.close()
  }

  async #fetchFrom(node: number, queues: readonly PartitionQueue[], waitMs: number): Promise<void> {
    this.#busy.add(node)
    for (const queue of queues) queue.isFetching = true
    try {
      // Who stands first in the request is served first: each has its turn.
      const first = this.#turn++ % queues.length
      const inTurn = [...queues.slice(first), ...queues.slice(0, first)]
      const positions = inTurn
        .toSorted((a, b) => (a.topic === b.topic ? 0 : a.topic < b.topic ? -1 : 1))
        .map(({ topic, partition, fetchOffset, maxBytes }) => {
          return { topic, partition, offset: fetchOffset, maxBytes }
        })
      const response = await this.#cluster.fetch(node, positions, waitMs)
      if (response.errorCode !== 0) throw protocolErrors.createErrorFromCode(response.errorCode)
      this.#failures.delete(node)
      await this.#take(response, queues)
    } catch (error) {
      await this.#recover(node, queues, error)
    }
    for (const queue of queues) queue.isFetching = false
    this.#busy.delete(node)
    this.pump()
  }

  async #take({ partitions }: FetchResponse, queues: readonly PartitionQueue[]): Promise<void> {
    let needsLeaders = false
    for (const fetched of partitions) {
      const queue = queues.find(
        ({ topic, partition }) => topic === fetched.topic && partition === fetched.partition,
      )
      if (queue === undefined || queue.isClosed) continue
      if (fetched.errorCode === 0) await this.#takePartition(fetched, queue)
      else {
        needsLeaders = true
        await this.#takeError(fetched, queue)
      }
    }
    if (!needsLeaders) return
    await this.#pause(pauseMs)
    await this.#refresh()
  }

  async #takePartition(fetched: FetchedPartition, queue: PartitionQueue): Promise<void> {
    const place = `${queue.topic}/${queue.partition} at or after offset ${queue.fetchOffset}`
    try {
      const { batches, bytesNeeded } = readRecordBatches(fetched.records, fetched.aborted)
      queue.maxBytes = Math.max(queue.maxBytes, bytesNeeded)
      const readable = await Promise.all(batches.map(decompressed))
      queue.push(readable, fetched.highWatermark)
    } catch (cause) {
      const message = `cannot read ${place}: ${failureText(cause)}`
      queue.fail(new TocsinError('INPUT_UNREADABLE', message, { cause }))
    }
  }

  async #takeError(fetched: FetchedPartition, queue: PartitionQueue): Promise<void> {
    const { errorCode } = fetched
    if (errorCode === offsetOutOfRange) {
      const gone = await this.#outOfRange(queue)
      if (gone !== null) queue.fail(gone)
      return
    }
    const { type, message } = protocolErrors.createErrorFromCode(errorCode)
    const text = `${queue.topic}/${queue.partition}: ${type}: ${message}`
    if (lastingErrors.includes(errorCode)) {
      queue.fail(new TocsinError('INPUT_UNREADABLE', `cannot read ${text}`))
    } else queue.hold(text)
  }

  /** A new leader may be a moment behind: only what lies outside of the partition's ends is gone. */
  async #outOfRange(queue: PartitionQueue): Promise<TocsinError | null> {
    const { topic, partition, fetchOffset } = queue
    try {
      const first = (await this.#cluster.offsetsOf(topic, [partition], 'earliest')).get(partition)
      const end = (await this.#cluster.offsetsOf(topic, [partition], 'latest')).get(partition)
      if (first === undefined || end === undefined) return null
      if (fetchOffset >= first && fetchOffset <= end) return null
      return outOfRange({ topic, partition, offset: fetchOffset }, first, end)
    } catch (error) {
      queue.hold(failureText(error))
      return null
    }
  }

  async #recover(node: number, queues: readonly PartitionQueue[], error: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return
    if (error instanceof TocsinError) {
      for (const queue of queues) queue.fail(error)
      return
    }
    const problem = `${this.#cluster.name}: ${failureText(error)}`
    for (const queue of queues) queue.hold(problem)
    const failures = (this.#failures.get(node) ?? 0) + 1
    this.#failures.set(node, failures)
    await this.#pause(Math.min(pauseMaxMs, pauseMs * 2 ** (failures - 1)))
    await this.#refresh()
  }

  #awaitLeader(queue: PartitionQueue): void {
    queue.hold(`${queue.topic}/${queue.partition}: it has no leader`)
    if (this.#refreshing !== null) return
    this.#refreshing = this.#pause(10 * pauseMs)
      .then(() => this.#refresh())
      .then(() => {
        this.#refreshing = null
        this.pump()
      })
  }

  /** Its failure is that of the next fetch too. */
  async #refresh(): Promise<void> {
    if (this.#closing.signal.aborted) return
    await this.#cluster.refresh().catch(() => undefined)
  }

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#closing
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined)
  }
}

/** What a reader is told whose position its partition does not hold. */
export function outOfRange(
  at: { readonly topic: string; readonly partition: number; readonly offset: number },
  first: number,
  end: number,
): TocsinError {
  const { topic, partition, offset } = at
  const why =
    offset < first
      ? `records ${offset} to ${first - 1} have been deleted (retention)`
      : 'it ends before that: the topic was made anew, or has lost records'
  const message =
    `cannot go on at offset ${offset} of ${topic}/${partition}, which holds ${first} to ${end - 1}: ` +
    `${why}. Choose: bring the records back; or, to go on without them, start anew with another ` +
    'state.dir and another state.job'
  return new TocsinError('SOURCE_POSITION', message)
}

async function decompressed(batch: KafkaBatch): Promise<ReadableBatch> {
  const { records, codec, count } = batch
  if (codec === 0 || count === 0) return { batch, bytes: records, at: 0, left: count }
  const known = compressionCodecs.get(codec)
  if (known === undefined) throw new Error(`the compression ${codec} is not known`)
  try {
    return { batch, bytes: await known.decompress(records), at: 0, left: count }
  } catch (cause) {
    const message = `the batch at offset ${batch.baseOffset} cannot be decompressed: ${failureText(cause)}`
    throw new Error(message, { cause })
  }
}
