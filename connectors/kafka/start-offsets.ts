import type { SourcePosition } from '../../src/connector/source.ts'
import { TocsinError } from '../../src/errors.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { outOfRange } from './partition-fetcher.ts'
import type { PartitionStretch } from './partition-queue.ts'

/** Where a stream begins that has no position yet. */
export type KafkaStart =
  | 'earliest'
  | 'latest'
  /** The first record of that time or later, epoch ms, by the records' own timestamps. */
  | { readonly timestamp: number }
  /** Topic → partition → offset; a partition that is not named begins at its earliest record. */
  | { readonly offsets: Readonly<Record<string, Readonly<Record<string, number>>>> }

/** By partition, where readers go on, as a checkpoint has it. */
export type Positions = ReadonlyMap<number, SourcePosition>

/**
 * So many partitions of a stream belong to each topic: partition 3 of the second topic is partition
 * 100003 of the stream. So a position is the same in every run, whatever partitions a topic gains.
 */
export const partitionsOfTopic = 100_000

/** What a partition of the stream is in Kafka. */
export function topicPartitionOf(partition: number): { topicIndex: number; partition: number } {
  const topicIndex = Math.floor(partition / partitionsOfTopic)
  return { topicIndex, partition: partition % partitionsOfTopic }
}

/**
 * Where each partition of the topics begins: at its position, or by `start`. Where there are
 * positions at all, a partition without one is new, and begins at its earliest record.
 * @throws {TocsinError} SOURCE_POSITION: a position is not that of these topics, or its records are
 *   gone; INPUT_UNREADABLE
 */
export async function startOffsets(
  cluster: KafkaCluster,
  topics: readonly string[],
  start: KafkaStart,
  positions: Positions,
): Promise<PartitionStretch[]> {
  checkTopics(topics, positions)
  const stretches: PartitionStretch[] = []
  for (const [topicIndex, topic] of topics.entries()) {
    const partitions = cluster.partitionsOf(topic)
    const first = await cluster.offsetsOf(topic, partitions, 'earliest')
    const end = await cluster.offsetsOf(topic, partitions, 'latest')
    const begin = positions.size > 0 ? 'earliest' : start
    const initial = await initialOffsets(cluster, topic, partitions, begin, { first, end })
    for (const partition of partitions) {
      const position = positions.get(topicIndex * partitionsOfTopic + partition)
      const from = position?.offset ?? initial(partition)
      const ends = { first: first.get(partition) ?? 0, end: end.get(partition) ?? 0 }
      if (from < ends.first || from > ends.end) {
        throw outOfRange({ topic, partition, offset: from }, ends.first, ends.end)
      }
      stretches.push({ topic, partition, from, to: Infinity })
    }
  }
  checkPartitions(topics, stretches, positions)
  return stretches
}

/** The ends of partitions. */
interface Ends {
  readonly first: ReadonlyMap<number, number>
  readonly end: ReadonlyMap<number, number>
}

async function initialOffsets(
  cluster: KafkaCluster,
  topic: string,
  partitions: readonly number[],
  start: KafkaStart,
  { first, end }: Ends,
): Promise<(partition: number) => number> {
  if (start === 'earliest') return (partition) => first.get(partition) ?? 0
  if (start === 'latest') return (partition) => end.get(partition) ?? 0
  if ('timestamp' in start) {
    const from = await cluster.offsetsOf(topic, partitions, start)
    return (partition) => from.get(partition) ?? end.get(partition) ?? 0
  }
  const given = start.offsets[topic] ?? {}
  const unknown = Object.keys(given).find((partition) => !partitions.includes(Number(partition)))
  if (unknown !== undefined) {
    const message = `kafka: start.offsets names partition ${unknown} of ${topic}, which it does not have`
    throw new TocsinError('SOURCE_POSITION', message)
  }
  return (partition) => given[partition] ?? first.get(partition) ?? 0
}

/** Positions go by the order of topics: they must be those of the topics that stand there now. */
function checkTopics(topics: readonly string[], positions: Positions): void {
  for (const [partition, { topic }] of positions) {
    const now = topics[topicPartitionOf(partition).topicIndex]
    if (now === topic) continue
    const message =
      `the checkpoint was made with topic ${topic} at place ` +
      `${topicPartitionOf(partition).topicIndex + 1} of the list, where ${now ?? 'none'} stands now; ` +
      'bring the list back to that order, and put new topics behind it'
    throw new TocsinError('SOURCE_POSITION', message)
  }
}

function checkPartitions(
  topics: readonly string[],
  stretches: readonly PartitionStretch[],
  positions: Positions,
): void {
  for (const at of positions.keys()) {
    const { topicIndex, partition } = topicPartitionOf(at)
    const topic = topics[topicIndex]
    if (stretches.some((each) => each.topic === topic && each.partition === partition)) continue
    const message =
      `${topic}/${partition}, which the checkpoint knows, is no longer there: the topic was made ` +
      'anew with fewer partitions; start anew with another state.dir and another state.job'
    throw new TocsinError('SOURCE_POSITION', message)
  }
}
