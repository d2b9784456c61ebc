import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'
import { KafkaBroker } from '../test/harness/kafka-broker.ts'
import { installKafka } from '../test/harness/kafka-distribution.ts'
import { consoleConsume, type SeenRecord } from '../test/harness/kafka-tools.ts'
import type { KafkaMeasurement } from './measure-kafka.ts'

const usage = `usage: npm run bench:kafka -- --input FILE [--partitions 4] [--runs 3]
Writes the transactions of FILE to a topic of a broker of its own, by card, and reads them, in turn:
with kafkajs's consumer, which throws them away; with our source alone; with P1 over our source; and
with P1 on RocksDB with a checkpoint each second, whose alerts go to a topic exactly once.
Each run is a process of its own. Figures are medians; ratios are to kafkajs's consumer.
`

/** `npm run bench:kafka`: see `usage`. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      input: { type: 'string' },
      partitions: { type: 'string', default: '4' },
      runs: { type: 'string', default: '3' },
    },
  })
  if (values.input === undefined) {
    process.stderr.write(usage)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  const say = (text: string) => process.stderr.write(`${text}\n`)
  const distribution = await installKafka(say)
  const broker = await KafkaBroker.start({ directory: join(folder, 'kafka'), distribution })
  try {
    const lines = readFileSync(values.input, 'utf8').trimEnd().split('\n')
    say(`writing ${lines.length} transactions`)
    await writeTopic(broker.bootstrap, lines, Number(values.partitions))
    const measured = measureAll(broker.bootstrap, lines.length, Number(values.runs), folder)
    const alerts = await consoleConsume(distribution, broker.bootstrap, alertTopic)
    checkAlerts(alerts, measured.get('exactly-once') ?? [])
    report(measured)
  } finally {
    await broker.kill()
    rmSync(folder, { recursive: true, force: true })
  }
  return 0
}

const topic = 'transactions'
const alertTopic = `${topic}-alerts`
const whats = ['consume', 'read', 'P1', 'exactly-once'] as const

async function writeTopic(bootstrap: string, lines: readonly string[], partitions: number) {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  const topics = [topic, alertTopic].map((name) => ({ topic: name, numPartitions: partitions }))
  await admin.createTopics({ topics, waitForLeaders: true })
  await admin.disconnect()
  const createPartitioner =
    () =>
    ({ message }: { message: { partition?: number } }) =>
      message.partition ?? 0
  const producer = kafka.producer({ createPartitioner, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const batch = 10_000
  for (let from = 0; from < lines.length; from += batch) {
    const messages = lines.slice(from, from + batch).map((value) => {
      const { card } = JSON.parse(value) as { card: string }
      const partition = Number.parseInt(hash('md5', card).slice(0, 6), 16) % partitions
      return { value, partition }
    })
    await producer.send({ topic, messages })
  }
  await producer.disconnect()
}

function measureAll(bootstrap: string, count: number, runs: number, folder: string) {
  const measured = new Map<string, KafkaMeasurement[]>(whats.map((what) => [what, []]))
  const path = fileURLToPath(new URL('measure-kafka.js', import.meta.url))
  const resultFile = join(folder, 'result.json')
  for (let run = 0; run < runs; run++) {
    for (const what of whats) {
      const parameters = [what, bootstrap, topic, String(count), resultFile]
      execFileSync(process.execPath, [path, ...parameters], { stdio: 'inherit' })
      measured.get(what)?.push(JSON.parse(readFileSync(resultFile, 'utf8')))
    }
  }
  return measured
}

/** Each run has written each alert once: they are the same, with the same ids. */
function checkAlerts(alerts: readonly SeenRecord[], runs: readonly KafkaMeasurement[]): void {
  const counts = new Map<string, number>()
  for (const { headers } of alerts) counts.set(headers, (counts.get(headers) ?? 0) + 1)
  const isRight = [...counts.values()].every((count) => count === runs.length)
  if (isRight && runs.every(({ matches }) => matches === counts.size)) return
  const found = runs.map(({ matches }) => matches).join(', ')
  throw new Error(`of the matches (${found}) ${alerts.length} alerts are in ${alertTopic}`)
}

function report(measured: ReadonlyMap<string, readonly KafkaMeasurement[]>): void {
  const rateOf = (runs: readonly KafkaMeasurement[]) =>
    median(runs.map(({ events, seconds }) => events / seconds))
  const base = rateOf(measured.get('consume') ?? [])
  for (const [what, runs] of measured) {
    const cpu = median(runs.map(({ cpuSeconds, events }) => (1e6 * cpuSeconds) / events))
    const rate = Math.round(rateOf(runs)).toLocaleString('en-US')
    const ratio = (rateOf(runs) / base).toFixed(2)
    process.stdout.write(
      `${what.padEnd(12)} ${rate.padStart(10)} events/s  ${ratio}  ${cpu.toFixed(2)} us CPU an event  ` +
        `${runs[0]?.events} events, ${runs[0]?.matches} matches\n`,
    )
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

process.exitCode = await main()
