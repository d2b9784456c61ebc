import { readFileSync, writeFileSync } from 'node:fs'
import { FileSink } from '../connectors/file/sink.ts'
import { fileSource } from '../connectors/file/source.ts'
import { createScannerDecoder } from '../src/decode/json-scanner.ts'
import { type JobAlert, runRuleJob } from '../src/rule/rule-job.ts'
import { loadCheckedRules } from '../src/rule/rule-loader.ts'
import { defaultWatermarkStrategy } from '../src/time/watermark-strategy.ts'

/** One measurement, as the child process reports it. */
export interface PatternMeasurement {
  readonly events: number
  readonly seconds: number
  readonly rssPeakBytes: number
}

/**
 * Runs the rules of a file over a file of events, as `tocsin replay` does, and times it from the
 * first read to the last alert written; start-up is left out.
 * Arguments: rule file, input, output, out-of-orderness in ms, result file.
 */
async function main(): Promise<void> {
  const [ruleFile, input, output, outOfOrderness, resultFile] = process.argv.slice(2) as string[]
  const text = readFileSync(ruleFile as string, 'utf8')
  const { rules, problems } = loadCheckedRules([{ path: ruleFile as string, text }])
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  const sink = new FileSink(output as string)
  await sink.open()
  const started = performance.now()
  const watermarks = { ...defaultWatermarkStrategy, outOfOrdernessMs: Number(outOfOrderness) }
  const summary = await runRuleJob({
    rules,
    streams: new Map([
      [
        'transactions',
        {
          source: fileSource([input as string]),
          time: { field: ['ts'], unit: 'ms', watermarks },
        },
      ],
    ]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: { now: () => Date.now() },
    scheduler: { sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
    deliver: (alerts: readonly JobAlert[]) => sink.write(alerts.map(({ document }) => document())),
    onSuppressed: () => {},
    sideOutput: () => {},
    onExpressionError: () => {},
    onProgress: () => {},
  })
  await sink.close()
  const measurement: PatternMeasurement = {
    events: summary.events,
    seconds: (performance.now() - started) / 1000,
    rssPeakBytes: process.resourceUsage().maxRSS * 1024,
  }
  writeFileSync(resultFile as string, JSON.stringify(measurement))
}

await main()
