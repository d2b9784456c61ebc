import { readFileSync, writeFileSync } from 'node:fs'
import { Kafka, logLevel } from 'kafkajs'
import { hostScheduler } from '../app/host.ts'
import { kafkaConnector } from '../connectors/kafka/connector.ts'
import type { Source } from '../src/connector/source.ts'
import { createScannerDecoder } from '../src/decode/json-scanner.ts'
import { runRuleJob } from '../src/rule/rule-job.ts'
import { loadCheckedRules } from '../src/rule/rule-loader.ts'
import { defaultWatermarkStrategy } from '../src/time/watermark-strategy.ts'

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
    const path = 'bench/rules/P1.rule.yaml'
    const { rules } = loadCheckedRules([{ path, text: readFileSync(path, 'utf8') }])
    const time = { field: ['ts'], unit: 'ms', watermarks: defaultWatermarkStrategy } as const
    const { events } = await runRuleJob({
      rules,
      streams: new Map([['transactions', { source: historyOf(bootstrap, topic), time }]]),
      createDecoder: createScannerDecoder,
      environment: { tables: new Map() },
      clock: { now: () => Date.now() },
      scheduler: hostScheduler,
      deliver: async (alerts) => {
        matches += alerts.length
      },
      onSuppressed: () => {},
      sideOutput: () => {},
      onExpressionError: () => {},
      onProgress: () => {},
    })
    return [events, matches]
  },
}

function historyOf(bootstrap: string, topic: string): Source {
  const options = { brokers: [bootstrap], topic }
  const source = kafkaConnector.source?.create(options, { directory: '.' })
  if (source?.history === undefined) throw new Error('Kafka keeps a history')
  return source.history({})
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
