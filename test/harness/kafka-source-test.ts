import { afterEach, beforeAll } from 'vitest'
import { jsonFormat } from '../../connectors/format/format.ts'
import { type KafkaSourceOptions, kafkaSource } from '../../connectors/kafka/source.ts'
import type { Source, SourcePosition, SourceReader } from '../../src/connector/source.ts'
import {
  closeAll,
  type GivenRecord,
  recordsOf,
  type WrittenRecord,
  writeRecords,
} from './kafka-records.ts'
import { createTopic } from './kafka-tools.ts'
import { hasKafka, sharedKafka, uniqueName } from './shared-kafka.ts'

/** What tests of the Kafka source do with the broker that they share. */
export interface KafkaSourceTest {
  readonly bootstrap: string
  source(topics: readonly string[], more?: Partial<KafkaSourceOptions>): Source
  /** The readers of a source, which are closed when the test is over. */
  open(
    topics: readonly string[],
    more?: Partial<KafkaSourceOptions>,
    positions?: ReadonlyMap<number, SourcePosition>,
  ): Promise<SourceReader[]>
  /** All that topics hold now. */
  readNow(topics: readonly string[], more?: Partial<KafkaSourceOptions>): Promise<GivenRecord[]>
  /** A new topic that holds records. */
  topicWith(records: readonly WrittenRecord[], partitions?: number): Promise<string>
}

/** To be called at the top of a test file. */
export function kafkaSourceTest(): KafkaSourceTest {
  let bootstrap = ''
  const opened: SourceReader[][] = []
  beforeAll(async () => {
    if (hasKafka) bootstrap = await sharedKafka()
  }, 120_000)
  afterEach(async () => {
    for (const readers of opened.splice(0)) await closeAll(readers)
  })
  const source: KafkaSourceTest['source'] = (topics, more = {}) =>
    kafkaSource({
      client: { brokers: [bootstrap], clientId: 'test', tls: undefined, sasl: undefined },
      topics,
      start: 'earliest',
      readsUncommitted: false,
      group: undefined,
      createFormat: () => jsonFormat,
      fields: undefined,
      ...more,
    })
  return {
    get bootstrap() {
      return bootstrap
    },
    source,
    async open(topics, more = {}, positions) {
      const readers = [...(await source(topics, more).open('payments', positions))]
      opened.push(readers)
      return readers
    },
    async readNow(topics, more = {}) {
      const readers = (await source(topics, more).history?.({}).open('payments')) ?? []
      const records: GivenRecord[] = []
      for (const reader of readers) records.push(...(await readToEnd(reader)))
      return records
    },
    async topicWith(records, partitions = 1) {
      const topic = uniqueName('payments')
      await createTopic(bootstrap, topic, partitions)
      await writeRecords(bootstrap, topic, records)
      return topic
    },
  }
}

async function readToEnd(reader: SourceReader): Promise<GivenRecord[]> {
  const records: GivenRecord[] = []
  for (;;) {
    const result = await reader.pollBatch()
    if (result.kind === 'end') break
    records.push(...recordsOf(result))
  }
  await reader.close()
  return records
}

/** Records with a number each, from `from` on and below `to`. */
export function numbers(from: number, to: number): WrittenRecord[] {
  return Array.from({ length: to - from }, (_, i) => ({ value: { n: from + i } }))
}

export function textsOf(records: readonly GivenRecord[]): string[] {
  return records.map(({ text }) => text)
}

export function offsetsOf(records: readonly GivenRecord[]): number[] {
  return records.map(({ offset }) => offset)
}
