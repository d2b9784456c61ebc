import { beforeAll, describe, expect, it } from 'vitest'
import { KafkaCluster } from '../../../connectors/kafka/kafka-cluster.ts'
import { PartitionFetcher } from '../../../connectors/kafka/partition-fetcher.ts'
import { PartitionQueue } from '../../../connectors/kafka/partition-queue.ts'
import type { KafkaSourceOptions } from '../../../connectors/kafka/source.ts'
import {
  deleteRecordsBefore,
  readSome,
  withAdmin,
  writeRecords,
} from '../../harness/kafka-records.ts'
import { kafkaSourceTest, numbers, offsetsOf, textsOf } from '../../harness/kafka-source-test.ts'
import { hasKafka, uniqueName } from '../../harness/shared-kafka.ts'
import { waitUntil } from '../../harness/wait-until.ts'
import { replayConformance, sourceConformance } from '../source-conformance.ts'

const kafka = kafkaSourceTest()
const { source, open, readNow, topicWith } = kafka

describe.skipIf(!hasKafka)('the Kafka source', { timeout: 60_000 }, () => {
  describe('over a history', () => {
    let topic = ''
    beforeAll(async () => {
      topic = await topicWith(
        Array.from({ length: 400 }, (_, n) => ({
          partition: n % 3,
          value: { n, padding: 'x'.repeat((n * 37) % 200) },
        })),
        3,
      )
    })
    const make = () => source([topic], { packBytes: 4096 }).history!({})
    sourceConformance(make)
    replayConformance(make)
  })

  describe('begins', () => {
    it('at the earliest record, at the latest, at a time or at offsets', async () => {
      const records = [1000, 2000, 3000, 4000].map((timestamp) => ({ value: timestamp, timestamp }))
      const topic = await topicWith([...records, { value: 'other', partition: 1, timestamp: 1 }], 2)
      const [latest] = await open([topic], { start: 'latest' })
      await writeRecords(kafka.bootstrap, topic, [{ value: 5000, timestamp: 5000 }])
      const firstOf = async (start: KafkaSourceOptions['start']) => {
        const readers = await open([topic], { start })
        return textsOf(await readSome(readers.slice(0, 1), 1))[0]
      }
      expect(textsOf(await readSome([latest!], 1))).toEqual(['5000'])
      expect(await firstOf('earliest')).toBe('1000')
      expect(await firstOf({ timestamp: 2500 })).toBe('3000')
      expect(await firstOf({ offsets: { [topic]: { 0: 3 } } })).toBe('4000')
      const named = await open([topic], { start: { offsets: { [topic]: { 0: 3 } } } })
      expect(textsOf(await readSome(named.slice(1), 1))).toEqual(['"other"'])
    })

    it('at the end where no record is of that time or later', async () => {
      const topic = await topicWith([{ value: 1, timestamp: 1000 }])
      const readers = await open([topic], { start: { timestamp: 2000 } })
      await writeRecords(kafka.bootstrap, topic, [{ value: 2, timestamp: 1500 }])
      expect(textsOf(await readSome(readers, 1))).toEqual(['2'])
    })

    it('where it was opened, if nothing has come since: the first checkpoint knows', async () => {
      const topic = await topicWith(numbers(0, 3), 2)
      const readers = await open([topic], { start: 'latest' })
      expect(readers.map(({ start }) => start)).toEqual([
        { offset: 3, topic },
        { offset: 0, topic },
      ])
    })
  })

  describe('goes on from positions', () => {
    it('and begins what has none, a new partition, at its earliest record', async () => {
      const topic = await topicWith([...numbers(0, 5), { value: 'new', partition: 1 }], 2)
      const positions = new Map([[0, { offset: 3, topic }]])
      const readers = await open([topic], { start: 'latest' }, positions)
      const records = await readSome(readers, 3)
      expect(records.map(({ partition, text }) => [partition, text])).toEqual([
        [0, '{"n":3}'],
        [0, '{"n":4}'],
        [1, '"new"'],
      ])
    })

    it('behind which there is nothing yet', async () => {
      const topic = await topicWith(numbers(0, 2))
      const readers = await open([topic], {}, new Map([[0, { offset: 2, topic }]]))
      await writeRecords(kafka.bootstrap, topic, numbers(2, 3))
      expect(textsOf(await readSome(readers, 1))).toEqual(['{"n":2}'])
    })

    it('and refuses those whose records are gone, with what to do', async () => {
      const topic = await topicWith(numbers(0, 10))
      await deleteRecordsBefore(kafka.bootstrap, topic, 6)
      const at = (offset: number) => open([topic], {}, new Map([[0, { offset, topic }]]))
      await expect(at(4)).rejects.toMatchObject({
        code: 'SOURCE_POSITION',
        message:
          `cannot go on at offset 4 of ${topic}/0, which holds 6 to 9: records 4 to 5 have been ` +
          'deleted (retention). Choose: bring the records back; or, to go on without them, start ' +
          'anew with another state.dir and another state.job',
      })
      await expect(at(11)).rejects.toMatchObject({
        code: 'SOURCE_POSITION',
        message: expect.stringContaining('it ends before that: the topic was made anew'),
      })
      await expect(at(6)).resolves.toHaveLength(1)
    })

    it('and refuses those of topics in another order', async () => {
      const [a, b] = [await topicWith([]), await topicWith([])]
      await expect(open([b, a], {}, new Map([[0, { offset: 0, topic: a }]]))).rejects.toMatchObject(
        {
          code: 'SOURCE_POSITION',
          message: expect.stringContaining(`the checkpoint was made with topic ${a} at place 1`),
        },
      )
    })
  })

  it('stops at an offset that is deleted while it waits to be read, and does not jump', async () => {
    const padding = 'x'.repeat(10_000)
    const topic = await topicWith([])
    await writeRecords(
      kafka.bootstrap,
      topic,
      Array.from({ length: 1500 }, (_, n) => ({ value: { n, padding } })),
      { batch: 50 },
    )
    const [reader] = await open([topic])
    const first = await readSome([reader!], 1)
    await deleteRecordsBefore(kafka.bootstrap, topic, 1500)
    const seen = offsetsOf(first)
    const reading = async () => {
      for (;;) seen.push(...offsetsOf(await readSome([reader!], 1)))
    }
    await expect(reading()).rejects.toMatchObject({ code: 'SOURCE_POSITION' })
    // What had been fetched before is given; nothing between is left out.
    expect(seen.length).toBeLessThan(1500)
    expect(seen).toEqual(seen.map((_, offset) => offset))
  })

  it('reads several topics as one stream, whose partitions keep their numbers', async () => {
    const a = await topicWith([{ value: 'a0' }, { value: 'a1', partition: 1 }], 2)
    const b = await topicWith([{ value: 'b0' }])
    const records = await readNow([a, b])
    expect(records.map(({ partition, text }) => [partition, text])).toEqual([
      [0, '"a0"'],
      [1, '"a1"'],
      [100_000, '"b0"'],
    ])
    const [, , reader] = await open([a, b])
    expect(reader?.split.origin).toEqual({ topic: b, partition: 0 })
  })

  it('finds partitions that are new while it reads, and reads them from their beginning', async () => {
    const topic = await topicWith(numbers(0, 1))
    const readers = await open([topic], { start: 'latest', discoveryMs: 50 })
    await withAdmin(kafka.bootstrap, (admin) =>
      admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }),
    )
    await writeRecords(kafka.bootstrap, topic, [{ value: 'late', partition: 2 }])
    const records = await readSome(readers, 1)
    expect(records).toEqual([{ partition: 2, offset: 0, text: '"late"' }])
    expect(readers.map(({ split }) => split.partition)).toEqual([0, 1, 2])
  })

  it('notes in a group how far checkpoints have come, and reads nothing from there', async () => {
    const topic = await topicWith([...numbers(0, 5), { value: 1, partition: 1 }], 2)
    const group = uniqueName('lag')
    const readers = await open([topic], { group })
    await readSome(readers, 6)
    await readers[0]!.notifyCheckpointComplete!({ offset: 4, topic })
    await readers[1]!.notifyCheckpointComplete!({ offset: 1, topic })
    const noted = () =>
      withAdmin(kafka.bootstrap, async (admin) => {
        // A broker that is young has no coordinator for a moment.
        const found = await admin.fetchOffsets({ groupId: group, topics: [topic] }).catch(() => [])
        const partitions = found[0]?.partitions ?? [{ partition: 0, offset: '-1' }]
        return partitions.map(({ partition, offset }) => [partition, Number(offset)])
      })
    await waitUntil(async () => (await noted()).every(([, offset]) => offset! > 0), 'it is noted')
    expect(await noted()).toEqual([
      [0, 4],
      [1, 1],
    ])
    expect(textsOf(await readSome(await open([topic], { group }), 6))).toHaveLength(6)
  })

  it('fetches no further than so much of a partition that is not read, and goes on with others', async () => {
    const topic = await topicWith([], 2)
    const padding = 'x'.repeat(50_000)
    const records = Array.from({ length: 200 }, (_, n) => ({ value: { n, padding } }))
    await writeRecords(kafka.bootstrap, topic, records, { batch: 10 })
    await writeRecords(
      kafka.bootstrap,
      topic,
      records.map((each) => ({ ...each, partition: 1 })),
      {
        batch: 10,
      },
    )
    const client = { brokers: [kafka.bootstrap], clientId: 'test', tls: undefined, sasl: undefined }
    const cluster = new KafkaCluster({ client, topics: [topic], readsUncommitted: false })
    await cluster.connect()
    const fetcher = new PartitionFetcher(cluster)
    const capBytes = 1_000_000
    const [paused, read] = [0, 1].map((partition) => {
      const stretch = { topic, partition, from: 0, to: 200 }
      const queue = new PartitionQueue(stretch, capBytes, () => fetcher.pump())
      fetcher.add(queue)
      return queue
    }) as [PartitionQueue, PartitionQueue]
    try {
      await waitUntil(() => {
        while (read.head !== undefined) read.shift()
        return read.isOver && paused.isFull
      }, 'the other is read to its end')
      // A batch has 10 records of 50 KB; what was on its way as the queue became full has come too.
      expect(paused.fetchOffset).toBeLessThanOrEqual(60)
    } finally {
      fetcher.close()
      await cluster.close()
    }
  })

  describe('that cannot be opened', () => {
    it('says which topic is missing', async () => {
      await expect(open(['no-such-topic'])).rejects.toMatchObject({
        code: 'INPUT_UNREADABLE',
        message: `cannot read topic no-such-topic at ${kafka.bootstrap}: there is no such topic`,
      })
    })

    it('says which brokers do not answer', async () => {
      const client = { brokers: ['127.0.0.1:1'], clientId: 'test', tls: undefined, sasl: undefined }
      await expect(open(['payments'], { client })).rejects.toMatchObject({
        code: 'INPUT_UNREADABLE',
        message: expect.stringMatching(/^cannot read brokers 127\.0\.0\.1:1: .*ECONNREFUSED/),
        retryable: true,
      })
    })
  })
})
