import { describe, expect, it } from 'vitest'
import { textFormat } from '../../../connectors/format/format.ts'
import type { SourceReader } from '../../../src/connector/source.ts'
import {
  type GivenRecord,
  readSome,
  sendRecords,
  withProducer,
  writeRecords,
} from '../../harness/kafka-records.ts'
import { kafkaSourceTest, numbers, offsetsOf, textsOf } from '../../harness/kafka-source-test.ts'
import { createTopic, runTool } from '../../harness/kafka-tools.ts'
import { hasKafka, hasOwnKafka, ownKafka, uniqueName } from '../../harness/shared-kafka.ts'
import { waitUntil } from '../../harness/wait-until.ts'

const kafka = kafkaSourceTest()
const { open, readNow, topicWith } = kafka

describe.skipIf(!hasKafka)('the Kafka source', { timeout: 60_000 }, () => {
  describe('of transactions', () => {
    async function mixedTopic() {
      const topic = await topicWith(numbers(0, 1))
      const transactionalId = uniqueName('writer')
      await withProducer(kafka.bootstrap, { transactionalId }, async (producer) => {
        for (let n = 1; n < 7; n++) {
          const transaction = await producer.transaction()
          await sendRecords(transaction, topic, numbers(10 * n, 10 * n + 2))
          await (n % 2 === 0 ? transaction.commit() : transaction.abort())
        }
      })
      await writeRecords(kafka.bootstrap, topic, numbers(70, 71))
      return topic
    }

    it('gives what was committed, though offsets have gaps', async () => {
      const topic = await mixedTopic()
      const given = (records: readonly GivenRecord[]) =>
        records.map(({ offset, text }) => [offset, JSON.parse(text).n])
      const committed = [
        [0, 0],
        [4, 20],
        [5, 21],
        [10, 40],
        [11, 41],
        [16, 60],
        [17, 61],
        [19, 70],
      ]
      expect(given(await readNow([topic]))).toEqual(committed)
      expect(given(await readSome(await open([topic]), 8))).toEqual(committed)
      const all = await readNow([topic], { readsUncommitted: true })
      expect(offsetsOf(all)).toEqual([0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19])
    })

    it('passes the marks at the end of a partition, so that a position never lies on one', async () => {
      const topic = await topicWith([])
      await withProducer(
        kafka.bootstrap,
        { transactionalId: uniqueName('writer') },
        async (producer) => {
          const transaction = await producer.transaction()
          await sendRecords(transaction, topic, numbers(0, 2))
          await transaction.abort()
        },
      )
      const [reader] = await open([topic])
      await waitUntil(async () => {
        const result = await reader!.pollBatch()
        return result.kind === 'idle' && result.next?.offset === 3
      }, 'the mark is passed')
      const result = await reader!.pollBatch()
      expect(result).toEqual({ kind: 'idle', untilMs: 0, backlog: false })
    })

    it('waits for one that is open, and says that there is more', async () => {
      const topic = await topicWith(numbers(0, 1))
      await withProducer(
        kafka.bootstrap,
        { transactionalId: uniqueName('writer') },
        async (producer) => {
          const transaction = await producer.transaction()
          await sendRecords(transaction, topic, numbers(1, 2))
          const readers = await open([topic])
          expect(textsOf(await readSome(readers, 1))).toEqual(['{"n":0}'])
          await waitUntil(async () => {
            const result = await readers[0]!.pollBatch()
            return result.kind === 'idle' && result.backlog === true
          }, 'the reader knows of more')
          // A history ends before it.
          expect(textsOf(await readNow([topic]))).toEqual(['{"n":0}'])
          await transaction.commit()
          expect(textsOf(await readSome(readers, 1))).toEqual(['{"n":1}'])
        },
      )
    })
  })

  describe('of records', () => {
    it('gives key, headers and all that Kafka knows as fields, where they are asked for', async () => {
      const topic = await topicWith([
        {
          value: { n: 1 },
          key: 'card-1',
          headers: { source: 'pos', twice: ['a', 'b'] },
          timestamp: 1_700_000_000_000,
        },
        { value: { n: 2 }, key: Buffer.from([0xff, 0]), timestamp: 1_700_000_000_001 },
        { value: {}, timestamp: 1_700_000_000_002 },
        { value: 'text' },
      ])
      const fields = {
        topic: 'in',
        partition: 'p',
        offset: 'at',
        timestamp: 'time',
        key: 'n',
        headers: 'h',
      }
      const [first, second, third, fourth] = await readNow([topic], { fields })
      const common = { in: topic, p: 0 }
      // The field `n` of the record gives way.
      expect([first, second, third].map((record) => JSON.parse(record!.text))).toEqual([
        {
          ...common,
          at: 0,
          time: 1_700_000_000_000,
          n: 'card-1',
          h: { source: 'pos', twice: ['a', 'b'] },
        },
        { ...common, at: 1, time: 1_700_000_000_001, n: { base64: '/wA=' }, h: {} },
        { ...common, at: 2, time: 1_700_000_000_002, n: null, h: {} },
      ])
      expect(fourth).toMatchObject({
        text: '"text"',
        fault: { cause: 'format', reason: 'expected a JSON object, got a string' },
      })
    })

    it('marks those without a value and those too long, and keeps what there is of them', async () => {
      const long = { padding: 'x'.repeat(5000) }
      const topic = await topicWith([{ value: null, key: 'k' }, { value: long }, { value: 'last' }])
      for (const more of [{}, { fields: { offset: 'at' } }, { createFormat: () => textFormat }]) {
        const records = await readNow([topic], { ...more, recordBytesMax: 4000 })
        expect(records.slice(0, 2)).toEqual([
          {
            partition: 0,
            offset: 0,
            text: '',
            fault: {
              cause: 'format',
              reason: 'the record has no value: it only says that its key is gone',
            },
          },
          {
            partition: 0,
            offset: 1,
            text: JSON.stringify(long).slice(0, 1024),
            fault: {
              cause: 'too_long',
              reason:
                'the record has 5014 bytes, more than 4000; only its first 1024 bytes are kept',
            },
          },
        ])
      }
    })

    it('makes fields of texts, and marks what is no text', async () => {
      const topic = await topicWith([
        { value: Buffer.from('a "line"\n') },
        { value: Buffer.from([0xc3, 0x28]) },
      ])
      expect(await readNow([topic], { createFormat: () => textFormat })).toEqual([
        { partition: 0, offset: 0, text: '{"value":"a \\"line\\"\\n"}' },
        {
          partition: 0,
          offset: 1,
          text: Buffer.from([0xc3, 0x28]).toString('utf8'),
          fault: { cause: 'format', reason: 'the record is no UTF-8 text' },
        },
      ])
    })

    it('says when the broker appended them, where the topic has it so', async () => {
      const topic = uniqueName('payments')
      await createTopic(kafka.bootstrap, topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
      const before = Date.now()
      await writeRecords(kafka.bootstrap, topic, [{ value: 1, timestamp: 5 }])
      const [reader] = await open([topic])
      const result = await waitForBatch(reader!)
      const [appended] = result.batch.ingestTimes!
      expect(appended).toBeGreaterThanOrEqual(before - 1000)
      expect(appended).toBeLessThanOrEqual(Date.now() + 1000)
      const [plain] = await open([await topicWith([{ value: 1, timestamp: 5 }])])
      expect((await waitForBatch(plain!)).batch.ingestTimes).toBeUndefined()
    })
  })

  it.each([
    ['gzip', 1],
    ['snappy', 2],
    ['lz4', 3],
    ['zstd', 4],
  ])('reads what kafkajs has compressed with %s', async (_name, compression) => {
    const topic = uniqueName('payments')
    await createTopic(kafka.bootstrap, topic)
    const records = numbers(0, 2000)
    await writeRecords(kafka.bootstrap, topic, records, { compression, batch: 500 })
    const values = (await readNow([topic])).map(({ text }) => JSON.parse(text))
    expect(values).toEqual(records.map(({ value }) => value))
  })

  it.skipIf(!hasOwnKafka).each(['gzip', 'snappy', 'lz4', 'zstd'])(
    'reads what the JVM client has compressed with %s',
    async (codec) => {
      const topic = uniqueName('payments')
      await createTopic(kafka.bootstrap, topic)
      await runTool(ownKafka(), 'org.apache.kafka.tools.ProducerPerformance', [
        ...[
          '--topic',
          topic,
          '--num-records',
          '5000',
          '--record-size',
          '700',
          '--throughput',
          '-1',
        ],
        ...[
          '--producer-props',
          `bootstrap.servers=${kafka.bootstrap}`,
          `compression.type=${codec}`,
        ],
        ...['batch.size=1000000', 'linger.ms=100'],
      ])
      const records = await readNow([topic])
      expect(records).toHaveLength(5000)
      expect(records.every(({ text }) => /^[A-Z]{700}$/.test(text))).toBe(true)
    },
  )
})

async function waitForBatch(reader: SourceReader) {
  for (;;) {
    const result = await reader.pollBatch()
    if (result.kind === 'batch') return result
  }
}
