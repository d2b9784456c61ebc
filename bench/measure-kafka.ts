import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { hostScheduler } from '../app/host.ts'
import { kafkaConnector } from '../connectors/kafka/connector.ts'
import type { Source } from '../src/connector/source.ts'
import { createScannerDecoder } from '../src/decode/json-scanner.ts'
import { runRuleJob } from '../src/rule/rule-job.ts'
import { loadCheckedRules } from '../src/rule/rule-loader.ts'
import { neverStopped } from '../src/time/stop-signal.ts'
import { defaultWatermarkStrategy } from '../src/time/watermark-strategy.ts'
import { WatchedCheckpoints } from './watched-checkpoints.ts'

/** The default of `state.cache`. */
const cacheBytes = 256 * 1024 * 1024

/** One measurement, as the child process reports it. */
export interface KafkaMeasurement {
  readonly events: number
  readonly matches: number
  readonly seconds: number
  /** User and system time of the process. */
  readonly cpuSeconds: number
}

/** Reads a topic to its end, and says how many records came, and how many matches. */
type Measure = (bootstrap: string, topic: string, count: number) => Promise<[number, number]>

/** What is measured, by the name that the command line has. */
const measures: Readonly<Record<string, Measure>> = {
  /** kafkajs's own consumer, which throws records away. */
  async consume(bootstrap, topic, count) {
    const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    const consumer = kafka.consumer({ groupId: `bench-${process.pid}-${Date.now()}` })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    let seen = 0
    await new Promise<void>((resolve, reject) => {
      const run = consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: true,
        eachBatch: async ({ batch }) => {
          seen += batch.messages.length
          if (seen >= count) resolve()
        },
      })
      run.catch(reject)
    })
    await consumer.disconnect()
    return [seen, 0]
  },
  /** Our source, whose batches are thrown away. */
  async read(bootstrap, topic) {
    let seen = 0
    for (const reader of (await historyOf(bootstrap, topic).open('transactions')) ?? []) {
      for (;;) {
        const result = await reader.pollBatch()
        if (result.kind === 'end') break
        if (result.kind !== 'batch') continue
        seen += result.batch.count
        result.batch.release?.()
      }
      await reader.close()
    }
    return [seen, 0]
  },
  /** The rules of P1 over our source; matches are counted. */
  async P1(bootstrap, topic) {
    let matches = 0
    const { events } = await runRuleJob({
      ...jobOptions(historyOf(bootstrap, topic)),
      deliver: async (alerts) => {
        matches += alerts.length
      },
    })
    return [events, matches]
  },
  /**
   * P1 as `tocsin run` has it: state in RocksDB, a checkpoint each second, alerts to `TOPIC-alerts`
   * exactly once. It is stopped when all is read, and has then committed what it found.
   */
  async 'exactly-once'(bootstrap, topic, count) {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
    const options = { brokers: [bootstrap], topic: `${topic}-alerts` }
    const sink = { directory: folder, job: `bench-${process.pid}`, sink: 'alerts' }
    const committing = kafkaConnector.sink?.createTwoPhaseCommit?.(options, sink)
    const checkpoints = new WatchedCheckpoints(folder, cacheBytes, hostScheduler, committing)
    const asked = new AbortController()
    let matches = 0
    try {
      const { events, end } = await runRuleJob({
        ...jobOptions(sourceOf(bootstrap, topic)),
        deliver: async (alerts) => {
          matches += alerts.length
          await checkpoints.stage(alerts)
        },
        onProgress: ({ events }) => {
          if (events >= count) asked.abort()
        },
        stop: { ...neverStopped, asked: asked.signal },
        durability: checkpoints.durability,
      })
      if (end !== 'stopped') throw new Error(`the run has ${end}`)
      return [events, matches]
    } finally {
      await checkpoints.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** Of the rules of P1 over a stream of transactions. */
function jobOptions(source: Source) {
  const path = 'bench/rules/P1.rule.yaml'
  const { rules } = loadCheckedRules([{ path, text: readFileSync(path, 'utf8') }])
  const time = { field: ['ts'], unit: 'ms', watermarks: defaultWatermarkStrategy } as const
  return {
    rules,
    streams: new Map([['transactions', { source, time }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: { now: () => Date.now() },
    scheduler: hostScheduler,
    onSuppressed: () => {},
    sideOutput: () => {},
    onExpressionError: () => {},
    onProgress: () => {},
  }
}

function historyOf(bootstrap: string, topic: string): Source {
  const history = sourceOf(bootstrap, topic).history?.({})
  if (history === undefined) throw new Error('Kafka keeps a history')
  return history
}

function sourceOf(bootstrap: string, topic: string): Source {
  const source = kafkaConnector.source?.create({ brokers: [bootstrap], topic }, { directory: '.' })
  if (source === undefined) throw new Error('Kafka is a source')
  return source
}

/** Arguments: what, bootstrap, topic, number of records, result file. */
async function main(): Promise<void> {
  const [what = '', bootstrap = '', topic = '', count = '', resultFile = ''] = process.argv.slice(2)
  const measure = measures[what]
  if (measure === undefined) throw new Error(`nothing is measured as ${what}`)
  const started = performance.now()
  const [events, matches] = await measure(bootstrap, topic, Number(count))
  const { user, system } = process.cpuUsage()
  const result: KafkaMeasurement = {
    events,
    matches,
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: (user + system) / 1e6,
  }
  writeFileSync(resultFile, JSON.stringify(result))
  process.exit(0)
}

await main()
