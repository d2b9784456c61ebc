import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { hostScheduler } from '../app/host.ts'
import { FileSink } from '../connectors/file/sink.ts'
import { fileSource } from '../connectors/file/source.ts'
import type { Source } from '../src/connector/source.ts'
import { createScannerDecoder } from '../src/decode/json-scanner.ts'
import { type JobAlert, runRuleJob } from '../src/rule/rule-job.ts'
import { loadCheckedRules } from '../src/rule/rule-loader.ts'
import { defaultWatermarkStrategy } from '../src/time/watermark-strategy.ts'
import { type CheckpointFigures, WatchedCheckpoints } from './watched-checkpoints.ts'

/** One measurement, as the child process reports it. */
export interface PatternMeasurement {
  readonly events: number
  readonly seconds: number
  readonly rssPeakBytes: number
  readonly checkpoints?: CheckpointFigures
}

/**
 * Runs the rules of a file over a file of events, as `tocsin replay` does, and times it from the
 * first read to the last alert written; start-up is left out.
 * Arguments: rule file, input, output, out-of-orderness in ms, bytes of state in memory or `none`: all
 * is in memory and there are no checkpoints; result file. With checkpoints the alerts go to the
 * folder of the output, where the state is kept too.
 */
async function main(): Promise<void> {
  const [ruleFile, input, output, outOfOrderness, cache, resultFile] = process.argv.slice(
    2,
  ) as string[]
  const text = readFileSync(ruleFile as string, 'utf8')
  const { rules, problems } = loadCheckedRules([{ path: ruleFile as string, text }])
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  const scheduler = hostScheduler
  const folder = dirname(output as string)
  const watched = cache === 'none' ? null : new WatchedCheckpoints(folder, Number(cache), scheduler)
  const sink = new FileSink(output as string)
  if (watched === null) await sink.open()
  // Rules are compiled before that: where the state is on disk, before it is open.
  let openedAt = performance.now()
  const file = fileSource([input as string])
  const source: Source = {
    ...file,
    open: (...parameters) => {
      openedAt = performance.now()
      return file.open(...parameters)
    },
  }
  const watermarks = { ...defaultWatermarkStrategy, outOfOrdernessMs: Number(outOfOrderness) }
  const summary = await runRuleJob({
    rules,
    streams: new Map([
      [
        'transactions',
        {
          source,
          time: { field: ['ts'], unit: 'ms', watermarks },
        },
      ],
    ]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: { now: () => Date.now() },
    scheduler,
    deliver: (alerts: readonly JobAlert[]) =>
      watched?.stage(alerts) ?? sink.write(alerts.map(({ document }) => document())),
    onSuppressed: () => {},
    sideOutput: () => {},
    onExpressionError: () => {},
    onProgress: () => watched?.noteBatch(),
    ...(watched === null ? {} : { durability: watched.durability }),
  })
  await (watched ?? sink).close()
  const measurement: PatternMeasurement = {
    events: summary.events,
    seconds: (performance.now() - (watched?.startedAt ?? openedAt)) / 1000,
    rssPeakBytes: process.resourceUsage().maxRSS * 1024,
    ...(watched === null ? {} : { checkpoints: watched.figures }),
  }
  writeFileSync(resultFile as string, JSON.stringify(measurement))
}

await main()
