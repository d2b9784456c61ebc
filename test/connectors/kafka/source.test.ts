import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { jsonFormat, textFormat } from '../../../connectors/format/format.ts'
import type { KafkaSourceOptions } from '../../../connectors/kafka/source.ts'
import { kafkaSource } from '../../../connectors/kafka/source.ts'
import type { SourcePosition, SourceReader } from '../../../src/connector/source.ts'
import {
  closeAll,
  type GivenRecord,
  readSome,
  sendRecords,
  withAdmin,
  withProducer,
  writeRecords,
} from '../../harness/kafka-records.ts'
import { createTopic, runTool } from '../../harness/kafka-tools.ts'
import {
  hasKafka,
  hasOwnKafka,
  ownKafka,
  sharedKafka,
  uniqueName,
} from '../../harness/shared-kafka.ts'
import { waitUntil } from '../../harness/wait-until.ts'
import { readAll, replayConformance, sourceConformance } from '../source-conformance.ts'

let bootstrap = ''
const opened: SourceReader[] = []

function source(topics: readonly string[], more: Partial<KafkaSourceOptions> = {}) {
  return kafkaSource({
    client: { brokers: [bootstrap], clientId: 'test', tls: undefined, sasl: undefined },
    topics,
    start: 'earliest',
    readsUncommitted: false,
    group: undefined,
    createFormat: () => jsonFormat,
    fields: undefined,
    ...more,
  })
}

/** The readers of a source, which are closed when the test is over. */
async function open(
  topics: readonly string[],
  more: Partial<KafkaSourceOptions> = {},
  positions?: ReadonlyMap<number, SourcePosition>,
): Promise<SourceReader[]> {
  const readers = [...(await source(topics, more).open('payments', positions))]
  opened.push(...readers)
  return readers
}

/** All that topics hold now. */
async function readNow(
  topics: readonly string[],
  more: Partial<KafkaSourceOptions> = {},
): Promise<GivenRecord[]> {
  const readers = await source(topics, more).history?.({}).open('payments')
  return (await Promise.all((readers ?? []).map(readAll))).flat()
}

async function topicWith(records: Parameters<typeof writeRecords>[2], partitions = 1) {
  const topic = uniqueName('payments')
  await createTopic(bootstrap, topic, partitions)
  await writeRecords(bootstrap, topic, records)
  return topic
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ value: { n: from + i } }))
const textsOf = (records: readonly GivenRecord[]) => records.map(({ text }) => text)
const offsetsOf = (records: readonly GivenRecord[]) => records.map(({ offset }) => offset)

beforeAll(async () => {
  if (hasKafka) bootstrap = await sharedKafka()
}, 120_000)
afterEach(async () => {
  await closeAll(opened.splice(0))
})

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
})
