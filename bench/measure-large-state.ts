import { readFileSync } from 'node:fs'
import { hostScheduler } from '../app/host.ts'
import type { Source } from '../src/connector/source.ts'
import { createScannerDecoder } from '../src/decode/json-scanner.ts'
import { runRuleJob } from '../src/rule/rule-job.ts'
import { loadCheckedRules } from '../src/rule/rule-loader.ts'
import type { RecordBatch } from '../src/stream/record-batch.ts'
import { defaultWatermarkStrategy } from '../src/time/watermark-strategy.ts'
import { WatchedCheckpoints } from './watched-checkpoints.ts'

const batchEvents = 2000
const eventsAMillisecond = 10

/**
 * A job whose rule keeps one event open for each of many keys: first each key gets its event, then
 * some keys get the one that completes the match. It may be killed at any time, and goes on when it
 * is started again. It prints, a line each: `ready MS` (since the process began), `batch EVENTS RSS`
 * and `done EVENTS RSS`, where RSS is the greatest so far, bytes.
 * Arguments: rule file, folder, number of keys, number of completed ones, bytes of state in memory.
 */
async function main(): Promise<void> {
  const [ruleFile, folder, keys, completed, cache] = process.argv.slice(2) as string[]
  const text = readFileSync(ruleFile as string, 'utf8')
  const { rules, problems } = loadCheckedRules([{ path: ruleFile as string, text }])
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  const scheduler = hostScheduler
  const watched = new WatchedCheckpoints(folder as string, Number(cache), scheduler)
  let batches = 0
  const summary = await runRuleJob({
    rules,
    streams: new Map([
      [
        'transactions',
        {
          source: keySource(Number(keys), Number(completed)),
          time: { field: ['ts'], unit: 'ms', watermarks: defaultWatermarkStrategy },
        },
      ],
    ]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: { now: () => Date.now() },
    scheduler,
    deliver: (alerts) => watched.stage(alerts),
    onSuppressed: () => {},
    sideOutput: () => {},
    onExpressionError: () => {},
    onProgress: ({ events }) => {
      watched.noteBatch()
      if (batches === 0) print('ready', Math.round(performance.now()))
      if (batches++ % 5 === 0) print('batch', events, peak())
    },
    durability: watched.durability,
  })
  await watched.close()
  print('done', summary.events, peak(), Math.round(watched.figures.pauseMsMax))
}

function print(...words: readonly (string | number)[]): void {
  process.stdout.write(`${words.join(' ')}\n`)
}

function peak(): number {
  return process.resourceUsage().maxRSS * 1024
}

function keySource(keys: number, completed: number): Source {
  return {
    bounded: true,
    replayable: true,
    open: async (stream, positions = new Map()) => {
      let at = positions.get(0)?.offset ?? 0
      const split = { stream, partition: 0 }
      return [
        {
          split,
          async pollBatch() {
            if (at >= keys + completed) return { kind: 'end' }
            const from = at
            at = Math.min(from + batchEvents, keys + completed)
            return { kind: 'batch', batch: batchOf(split, from, at, keys), next: { offset: at } }
          },
          progress: () => ({ read: at, total: keys + completed }),
          close: async () => undefined,
        },
      ]
    },
  }
}

function batchOf(split: RecordBatch['split'], from: number, to: number, keys: number): RecordBatch {
  const lines = Array.from({ length: to - from }, (_, index) => eventAt(from + index, keys))
  const bytes = Buffer.from(`${lines.join('\n')}\n${'\n'.repeat(8)}`)
  const starts = new Int32Array(lines.length)
  const ends = new Int32Array(lines.length)
  let at = 0
  lines.forEach((line, index) => {
    starts[index] = at
    ends[index] = at + line.length
    at += line.length + 1
  })
  const offsets = Float64Array.from(lines, (_, index) => from + index)
  return { split, bytes, count: lines.length, starts, ends, offsets }
}

/** Keys in an order that no cache likes; those that are completed are drawn once each. */
function eventAt(offset: number, keys: number): string {
  const isFirst = offset < keys
  const card = `card-${((offset * 7919) % keys) + 1_000_000_000}`
  const ts = 1_700_000_000_000 + Math.floor(offset / eventsAMillisecond)
  const merchant = `merchant-${offset % 997}`
  const event = {
    id: `t${offset}`,
    ts,
    type: 'purchase',
    card,
    merchant,
    amount: isFirst ? 150 : 0.5,
  }
  return JSON.stringify(event)
}

await main()
