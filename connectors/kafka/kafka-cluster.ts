import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Cluster from 'kafkajs/src/cluster/index.js'
import createSocketFactory from 'kafkajs/src/network/socketFactory.js'
import fetchRequest from 'kafkajs/src/protocol/requests/fetch/v11/request.js'
import { ConnectorError, TocsinError } from '../../src/errors.ts'
import type { ClientOptions } from './client-options.ts'
import { failureText } from './failure-text.ts'
import { type FetchResponse, readFetchResponse } from './fetch-response.ts'

/** Where a partition is to be read. */
export interface FetchPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly maxBytes: number
}

/** A place in a partition: its ends, or the first record of a time or later, epoch ms. */
export type OffsetQuery = 'earliest' | 'latest' | { readonly timestamp: number }

export interface KafkaClusterOptions {
  readonly client: ClientOptions
  readonly topics: readonly string[]
  readonly readsUncommitted: boolean
}

/** A Fetch is answered at the latest after its wait; who is silent for longer has gone. */
const requestTimeoutMs = 30_000
const connectionTimeoutMs = 10_000
/** How long a start, or a question that it needs answered, is tried, ms. */
const patienceMs = 5000
const newTopicPatienceMs = 2000
const retryPauseMs = 300
/** How long a connection may take to end, ms. */
const closeTimeoutMs = 2000
const fetchApi = 1
const fetchVersion = 11

/**
 * The brokers of a source, without a consumer group: no rebalance can stall it, no other offsets
 * than ours move it, and an offset that is gone is told of instead of jumped over. It stands on
 * kafkajs's connections, metadata and requests.
 */
export class KafkaCluster {
  readonly #options: KafkaClusterOptions
  readonly #cluster: Cluster
  #closed = false

  constructor(options: KafkaClusterOptions) {
    this.#options = options
    const { brokers, clientId, tls, sasl } = options.client
    this.#cluster = new Cluster({
      logger: silentLogger,
      brokers,
      ssl: tls,
      sasl,
      clientId,
      socketFactory: quietSockets(),
      connectionTimeout: connectionTimeoutMs,
      authenticationTimeout: connectionTimeoutMs,
      requestTimeout: requestTimeoutMs,
      metadataMaxAge: 300_000,
      allowAutoTopicCreation: false,
      isolationLevel: options.readsUncommitted ? 0 : 1,
      retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 1000 },
    })
  }

  /** What messages call it. */
  get name(): string {
    return this.#options.client.brokers.join(',')
  }

  /**
   * @throws {TocsinError} INPUT_UNREADABLE: brokers refuse, or lack a topic; a retryable
   *   `ConnectorError`: they cannot be reached
   */
  async connect(): Promise<void> {
    await this.#insist(`brokers ${this.name}`, async () => {
      await this.#cluster.connect()
    })
    for (const topic of this.#options.topics) {
      await this.#insist(`topic ${topic} at ${this.name}`, async () => {
        await this.#cluster.addMultipleTargetTopics([topic])
        if (this.partitionsOf(topic).length === 0) throw new Error('it has no partitions')
      })
    }
  }

  /** Asks which partitions there are, and which broker leads each. */
  async refresh(): Promise<void> {
    await this.#cluster.refreshMetadata()
  }

  /** The partitions of a topic, as the last answer has them, ascending. */
  partitionsOf(topic: string): number[] {
    const partitions = this.#cluster.findTopicPartitionMetadata(topic)
    return partitions.map(({ partitionId }) => partitionId).sort((a, b) => a - b)
  }

  /** The broker to read a partition from; undefined: it has none at the moment. */
  leaderOf(topic: string, partition: number): number | undefined {
    const found = this.#cluster
      .findTopicPartitionMetadata(topic)
      .find(({ partitionId }) => partitionId === partition)
    return found === undefined || found.leader < 0 ? undefined : found.leader
  }

  /**
   * Offsets by partition; one is missing where no record is of that time or later. The latest is
   * that behind the last record that may be read.
   * @throws {TocsinError} INPUT_UNREADABLE
   */
  offsetsOf(
    topic: string,
    partitions: readonly number[],
    query: OffsetQuery,
  ): Promise<Map<number, number>> {
    return this.#insist(`topic ${topic} at ${this.name}`, async () => {
      const where =
        typeof query === 'string'
          ? { fromBeginning: query === 'earliest' }
          : { fromTimestamp: query.timestamp }
      const asked = partitions.map((partition) => ({ partition }))
      const answers = await this.#cluster.fetchTopicsOffset([
        { topic, partitions: asked, ...where },
      ])
      const offsets = new Map<number, number>()
      for (const answer of answers) {
        for (const { partition, offset } of answer.partitions) {
          if (Number(offset) >= 0) offsets.set(partition, Number(offset))
        }
      }
      return offsets
    })
  }

  /** What a broker has of partitions. @param waitMs how long it may wait for the first record */
  async fetch(
    node: number,
    positions: readonly FetchPosition[],
    waitMs: number,
  ): Promise<FetchResponse> {
    const broker = await this.#cluster.findBroker({ nodeId: node })
    const offered = broker.versions?.[fetchApi]
    if (offered !== undefined && offered.maxVersion < fetchVersion) {
      throw new TocsinError(
        'INPUT_UNREADABLE',
        `brokers ${this.name} are older than Kafka 2.3, which is the oldest that can be read`,
      )
    }
    return await broker.connectionPool.send({
      request: fetchRequest({
        replicaId: -1,
        maxWaitTime: waitMs,
        minBytes: 1,
        maxBytes: fetchBytesMax,
        isolationLevel: this.#options.readsUncommitted ? 0 : 1,
        topics: topicsOf(positions),
        rackId: '',
      }),
      response: {
        decode: async (bytes: Buffer) => readFetchResponse(bytes),
        parse: async (response: FetchResponse) => response,
      },
    })
  }

  /** Notes offsets for a group that nobody is a member of, for tools that show how far it is. */
  async commitOffsets(
    group: string,
    offsets: Iterable<readonly [topic: string, partition: number, offset: number]>,
  ): Promise<void> {
    const topics = new Map<string, { partition: number; offset: string }[]>()
    for (const [topic, partition, offset] of offsets) {
      const partitions = topics.get(topic) ?? []
      partitions.push({ partition, offset: String(offset) })
      topics.set(topic, partitions)
    }
    const coordinator = await this.#cluster.findGroupCoordinator({ groupId: group })
    await coordinator.offsetCommit({
      groupId: group,
      groupGenerationId: -1,
      memberId: '',
      topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    // It waits for what is under way; a broker that hangs would keep it.
    const given = sleep(closeTimeoutMs, undefined, { ref: false })
    await Promise.race([this.#cluster.disconnect().catch(() => undefined), given])
  }

  /** Tries again while that may help and the patience lasts. */
  async #insist<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now()
    for (let attempt = 0; ; attempt++) {
      try {
        if (attempt > 0) await this.#cluster.refreshMetadata()
        return await work()
      } catch (error) {
        const waitedMs = performance.now() - startedAt
        if (this.#closed || waitedMs >= patienceFor(error)) throw unreadable(what, error)
        await sleep(retryPauseMs)
      }
    }
  }
}

/** Bytes of an answer over all partitions: the first batch comes whole even so. */
const fetchBytesMax = 16 * 1024 * 1024

/** What an error of kafkajs may have. */
interface KafkaFailure {
  readonly name?: string
  readonly type?: string
  readonly retriable?: boolean
  readonly code?: string
  readonly cause?: { readonly code?: string }
}

/** Codes of Node for certificates that are not accepted. */
const untrusted = /CERT|VERIFY_LEAF|ERR_TLS/

/** How long it may pass by itself, ms; 0: it does not. */
function patienceFor(error: unknown): number {
  if (error instanceof TocsinError) return 0
  const { type } = error as { type?: string }
  // Brokers hear of a new topic one after the other.
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return newTopicPatienceMs
  return isPassing(error) ? patienceMs : 0
}

function isPassing(error: unknown): boolean {
  const { name, type, retriable, code, cause } = error as KafkaFailure
  if (untrusted.test(code ?? cause?.code ?? '')) return false
  if (name === 'KafkaJSSASLAuthenticationError' || type === 'TOPIC_AUTHORIZATION_FAILED')
    return false
  if (type === 'INVALID_TOPIC_EXCEPTION') return false
  // An error that has used up its attempts is told apart by what it was at last.
  if (name === 'KafkaJSNumberOfRetriesExceeded') return true
  return retriable !== false || name === 'KafkaJSLockTimeout'
}

function unreadable(what: string, error: unknown): TocsinError {
  if (error instanceof TocsinError) return error
  const { type } = error as { type?: string }
  const reason =
    type === 'UNKNOWN_TOPIC_OR_PARTITION' ? 'there is no such topic' : failureText(error)
  const message = `cannot read ${what}: ${reason}`
  const retryable = isPassing(error) && type !== 'UNKNOWN_TOPIC_OR_PARTITION'
  return new ConnectorError('INPUT_UNREADABLE', message, { cause: error, retryable })
}

/** Topics in the order of positions: a broker fills its answer in that order. */
function topicsOf(positions: readonly FetchPosition[]) {
  type Partition = { partition: number; fetchOffset: string; maxBytes: number }
  const topics: { topic: string; partitions: Partition[] }[] = []
  for (const { topic, partition, offset, maxBytes } of positions) {
    let last = topics.at(-1)
    if (last?.topic !== topic) {
      last = { topic, partitions: [] }
      topics.push(last)
    }
    last.partitions.push({ partition, fetchOffset: String(offset), maxBytes })
  }
  return topics
}

/**
 * The sockets of kafkajs. It lets go of those that have ended again and again, and Node takes each
 * time for one more listener of a connection that never comes.
 */
function quietSockets(): (options: unknown) => Socket {
  const create = createSocketFactory()
  return (options) => {
    const socket = create(options)
    socket.once('close', () => {
      socket.unref = () => socket
    })
    return socket
  }
}

/** Failures are told through errors: kafkajs would write to the console. */
const silentLogger: Cluster.Logger = {
  namespace: () => silentLogger,
  setLogLevel: () => undefined,
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}
