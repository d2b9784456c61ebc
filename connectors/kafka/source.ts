import type { HistoryRange, Source, SourceReader } from '../../src/connector/source.ts'
import { TocsinError } from '../../src/errors.ts'
import type { Format } from '../format/format.ts'
import type { ClientOptions } from './client-options.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import type { MetadataFields } from './metadata-fields.ts'
import { OffsetCommitter } from './offset-committer.ts'
import { PartitionFetcher } from './partition-fetcher.ts'
import { PartitionQueue, type PartitionStretch } from './partition-queue.ts'
import { PartitionReader } from './partition-reader.ts'
import { RecordPacker, type TopicSplit } from './record-packer.ts'
import { type KafkaStart, partitionsOfTopic, startOffsets } from './start-offsets.ts'

export interface KafkaSourceOptions {
  readonly client: ClientOptions
  /** In an order that stays: positions go by it. */
  readonly topics: readonly string[]
  /** Where a stream without positions begins. */
  readonly start: KafkaStart
  readonly readsUncommitted: boolean
  /** Where positions are noted after checkpoints; undefined: nowhere. */
  readonly group: string | undefined
  /** One for each opening: it may keep what it has fetched. */
  readonly createFormat: () => Format
  readonly fields: MetadataFields | undefined
  /** About the size of a batch, bytes; default 256 KiB. */
  readonly packBytes?: number
  /** A longer record is a dead letter, bytes; default 16 MiB. */
  readonly recordBytesMax?: number
  /** From one look for new partitions to the next, ms; default 10 s. */
  readonly discoveryMs?: number
}

/** What is fetched ahead of all partitions together, and of one at most and at least, bytes. */
const aheadBytes = 64 * 1024 * 1024
const partitionAheadBytesMax = 2 * 1024 * 1024
const partitionAheadBytesMin = 128 * 1024

/**
 * Topics as a stream: each partition is a split with its own watermark. It is read without a
 * consumer group, from positions in our checkpoints.
 */
export function kafkaSource(options: KafkaSourceOptions): Source {
  return {
    bounded: false,
    live: true,
    replayable: true,
    history: (range) => kafkaHistory(options, range),
    async open(stream, positions = new Map()) {
      const opened = new OpenedTopics(stream, options)
      return await opened.open(async (cluster) => {
        return await startOffsets(cluster, options.topics, options.start, positions)
      })
    },
  }
}

/**
 * What topics hold when it is first opened, from the first record of the range's beginning or later
 * on. Where it ends in event time, the job says: by `finish`.
 */
function kafkaHistory(options: KafkaSourceOptions, { from }: HistoryRange): Source {
  const start: KafkaStart = from === undefined ? 'earliest' : { timestamp: from }
  let ends: ReadonlyMap<string, number> | null = null
  return {
    bounded: true,
    live: true,
    replayable: true,
    async open(stream, positions = new Map()) {
      const opened = new OpenedTopics(stream, { ...options, group: undefined })
      return await opened.open(async (cluster) => {
        ends ??= await endsOf(cluster, options.topics)
        const stretches = await startOffsets(cluster, options.topics, start, positions)
        return withEnds(stretches, ends)
      })
    },
  }
}

async function endsOf(
  cluster: KafkaCluster,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>()
  for (const topic of topics) {
    const offsets = await cluster.offsetsOf(topic, cluster.partitionsOf(topic), 'latest')
    for (const [partition, end] of offsets) ends.set(`${topic}/${partition}`, end)
  }
  return ends
}

/** A partition that came to be since then is left out. */
function withEnds(
  stretches: readonly PartitionStretch[],
  ends: ReadonlyMap<string, number>,
): PartitionStretch[] {
  return stretches.flatMap((stretch) => {
    const to = ends.get(`${stretch.topic}/${stretch.partition}`)
    return to === undefined ? [] : [{ ...stretch, to }]
  })
}

/** Topics while they are read: what the readers of their partitions share. */
class OpenedTopics {
  readonly #stream: string
  readonly #options: KafkaSourceOptions
  readonly #cluster: KafkaCluster
  readonly #fetcher: PartitionFetcher
  readonly #committer: OffsetCommitter | null
  readonly #format: Format
  #aheadBytes = partitionAheadBytesMax
  /** `topic/partition` of those that have a reader. */
  readonly #known = new Set<string>()
  #new: SourceReader[] = []
  #open = 0
  #discovery: NodeJS.Timeout | undefined

  constructor(stream: string, options: KafkaSourceOptions) {
    this.#stream = stream
    this.#options = options
    this.#cluster = new KafkaCluster(options)
    this.#fetcher = new PartitionFetcher(this.#cluster)
    this.#committer =
      options.group === undefined ? null : new OffsetCommitter(this.#cluster, options.group)
    this.#format = options.createFormat()
  }

  async open(
    stretchesOf: (cluster: KafkaCluster) => Promise<readonly PartitionStretch[]>,
  ): Promise<SourceReader[]> {
    try {
      await this.#cluster.connect()
      const stretches = await stretchesOf(this.#cluster)
      const share = aheadBytes / Math.max(1, stretches.length)
      this.#aheadBytes = Math.max(partitionAheadBytesMin, Math.min(partitionAheadBytesMax, share))
      const readers = stretches.map((stretch) => this.#reader(stretch))
      const isBounded = stretches.every(({ to }) => Number.isFinite(to))
      if (isBounded && readers.length === 0) await this.#cluster.close()
      if (!isBounded) this.#discoverLater()
      return readers
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  #reader(stretch: PartitionStretch): SourceReader {
    const { topics, fields, packBytes = 256 * 1024 } = this.#options
    const { recordBytesMax = 16 * 1024 * 1024 } = this.#options
    const { topic, partition } = stretch
    if (partition >= partitionsOfTopic) {
      const message = `topic ${topic} has more than ${partitionsOfTopic} partitions`
      throw new TocsinError('INPUT_UNREADABLE', message)
    }
    const split: TopicSplit = {
      stream: this.#stream,
      partition: topics.indexOf(topic) * partitionsOfTopic + partition,
      origin: { topic, partition },
    }
    const queue = new PartitionQueue(stretch, this.#aheadBytes, () => this.#fetcher.pump())
    const packing = { format: this.#format, fields, packBytes, recordBytesMax }
    this.#known.add(`${topic}/${partition}`)
    this.#open++
    this.#fetcher.add(queue)
    return new PartitionReader({
      queue,
      packer: new RecordPacker(split, packing),
      stretch,
      takeNew: () => this.#takeNew(),
      onCheckpoint: ({ origin }, offset) =>
        this.#committer?.note(origin.topic, origin.partition, offset),
      onClose: () => this.#closeOne(),
    })
  }

  #takeNew(): readonly SourceReader[] {
    const readers = this.#new
    if (readers.length > 0) this.#new = []
    return readers
  }

  #discoverLater(): void {
    this.#discovery = setTimeout(() => {
      void this.#discover().finally(() => {
        if (this.#open > 0) this.#discoverLater()
      })
    }, this.#options.discoveryMs ?? 10_000)
  }

  /** A failure is told by the fetches that fail likewise. */
  async #discover(): Promise<void> {
    try {
      await this.#cluster.refresh()
      for (const topic of this.#options.topics) await this.#discoverIn(topic)
    } catch {
      // The next look finds what this one has missed.
    }
  }

  async #discoverIn(topic: string): Promise<void> {
    const found = this.#cluster
      .partitionsOf(topic)
      .filter((partition) => !this.#known.has(`${topic}/${partition}`))
    if (found.length === 0) return
    const offsets = await this.#cluster.offsetsOf(topic, found, 'earliest')
    if (this.#open === 0) return
    for (const [partition, from] of [...offsets].sort(([a], [b]) => a - b)) {
      this.#new.push(this.#reader({ topic, partition, from, to: Infinity }))
    }
  }

  async #closeOne(): Promise<void> {
    this.#open--
    // New readers that nobody has taken are nobody's to close.
    const untaken = this.#takeNew()
    for (const reader of untaken) await reader.close()
    if (this.#open === 0) await this.#end()
  }

  async #end(): Promise<void> {
    clearTimeout(this.#discovery)
    this.#fetcher.close()
    await this.#committer?.close()
    await this.#cluster.close()
  }
}
