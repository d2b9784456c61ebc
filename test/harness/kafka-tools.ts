import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { javaCommand } from './kafka-broker.ts'
import type { KafkaDistribution } from './kafka-distribution.ts'
import { waitUntil } from './wait-until.ts'

/** Scripts that come with Kafka, and the classes that they call. */
const scripts = {
  'kafka-topics.sh': 'org.apache.kafka.tools.TopicCommand',
  'kafka-console-producer.sh': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-console-consumer.sh': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
}

/** Writes the scripts by which people know Kafka's tools, beside its jars; gives their folder. */
export function writeScripts({ libraries }: KafkaDistribution): string {
  const folder = join(dirname(libraries), 'bin')
  mkdirSync(folder, { recursive: true })
  for (const [name, main] of Object.entries(scripts)) {
    const call = `java -XX:TieredStopAtLevel=1 -cp '${libraries}/*' ${main}`
    writeFileSync(join(folder, name), `#!/bin/sh\nexec ${call} "$@"\n`, { mode: 0o755 })
  }
  return folder
}

/** A record as a consumer sees it. */
export interface SeenRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly headers: string
  readonly value: string
}

/** Creates a topic, and waits until its partitions have leaders. */
export async function createTopic(
  bootstrap: string,
  topic: string,
  partitions = 1,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  try {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    const made = { topic, numPartitions: partitions, configEntries }
    await admin.createTopics({ topics: [made], waitForLeaders: false })
    // kafkajs's own waiting fails where the broker has not heard of the topic yet.
    await waitUntil(async () => {
      const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null)
      const known = found?.topics[0]?.partitions ?? []
      return known.length === partitions && known.every(({ leader }) => leader >= 0)
    }, `${topic} has leaders`)
  } finally {
    await admin.disconnect()
  }
}

/**
 * All committed records of a topic, by Kafka's own console consumer: a reader of another make than
 * the clients under test. Values may hold no line break and no tab.
 * @throws {Error} if it does not come to the end: a transaction is open, or the machine too slow
 */
export async function consoleConsume(
  distribution: KafkaDistribution,
  bootstrap: string,
  topic: string,
): Promise<SeenRecord[]> {
  for (let silenceMs = firstSilenceMs; ; silenceMs *= 2) {
    const { records, missing } = await consumeUntilSilent(distribution, bootstrap, topic, silenceMs)
    if (missing.length === 0) return records
    if (silenceMs * 2 > silenceMsMax) {
      throw new Error(`${topic} was not read to its end: ${missing.join('; ')}`)
    }
  }
}

const firstSilenceMs = 2000
const silenceMsMax = 32_000

/**
 * The console consumer cannot tell that it has come to the end but by silence, which may as well be
 * that of a busy machine: where it has come to is told by the offsets that it commits as it ends.
 */
async function consumeUntilSilent(
  distribution: KafkaDistribution,
  bootstrap: string,
  topic: string,
  silenceMs: number,
) {
  const group = `console-${randomUUID()}`
  const shown = ['partition', 'offset', 'headers', 'key'].flatMap((what) => [
    '--formatter-property',
    `print.${what}=true`,
  ])
  const out = await runTool(distribution, 'org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning', '--group', group],
    ...['--isolation-level', 'read_committed', '--timeout-ms', String(silenceMs)],
    ...shown,
  ])
  const lines = out.split('\n')
  const other = lines.filter((line) => line !== '' && !line.startsWith('Partition:'))
  // Its log goes there too: that of the silence is expected.
  if (!/TimeoutException$/.test(other.at(-1) ?? '')) throw new Error(other.join('\n'))
  const records = lines.filter((line) => line.startsWith('Partition:')).map(seenRecordOf)
  return { records, missing: await missingOf(bootstrap, topic, group) }
}

/** The partitions whose end the group has not come to. */
async function missingOf(bootstrap: string, topic: string, groupId: string): Promise<string[]> {
  const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const ends = await admin.fetchTopicOffsets(topic)
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return ends.flatMap(({ partition, high, low }) => {
      const at = committed?.partitions.find((each) => each.partition === partition)?.offset ?? '-1'
      const isRead = high === low || Number(at) >= Number(high)
      return isRead ? [] : [`partition ${partition} up to ${at} of ${high}`]
    })
  } finally {
    await admin.disconnect()
  }
}

function seenRecordOf(line: string): SeenRecord {
  const [partition = '', offset = '', headers = '', key = '', ...value] = line.split('\t')
  return {
    partition: Number(partition.replace('Partition:', '')),
    offset: Number(offset.replace('Offset:', '')),
    headers,
    key: key === 'null' ? null : key,
    value: value.join('\t'),
  }
}

/** What `kafka-transactions.sh` prints, e.g. for `list` or `describe --transactional-id ID`. */
export function transactionsTool(
  distribution: KafkaDistribution,
  bootstrap: string,
  ...command: string[]
): Promise<string> {
  const main = 'org.apache.kafka.tools.TransactionsCommand'
  return runTool(distribution, main, ['--bootstrap-server', bootstrap, ...command])
}

/** The standard output of one of Kafka's programs. @throws {Error} with its errors */
export async function runTool(
  distribution: KafkaDistribution,
  main: string,
  options: readonly string[],
): Promise<string> {
  const [java = 'java', ...prefix] = javaCommand(distribution)
  const child = spawn(java, [...prefix, main, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${main} ${options.join(' ')} failed:\n${errors}`)
  return out
}
