import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseByteSize } from '../src/connector/byte-size.ts'
import { parseDuration } from '../src/connector/duration.ts'
import { measureInChild, median } from './child-process.ts'
import { matchLines } from './match-lines.ts'
import { checksumOf, durableText, measureDurable } from './measure-durable.ts'
import type { PatternMeasurement } from './measure-pattern.ts'

/** A line of the result: names are stable, programs read them. */
interface BenchResult {
  readonly pattern: string
  readonly events: number
  readonly matches: number
  readonly sha256: string
  readonly events_per_second: number
  readonly parse_events_per_second: number
  readonly ratio: number
  readonly rss_peak_bytes: number
}

const usage = `usage: npm run bench -- P1 P2 P3 P4 --input FILE [--out-of-orderness 5s] [--runs 3] [--format json]
       [--state rocksdb [--cache 256MiB]]
Runs each pattern of bench/rules over FILE, in turn with a loop that reads the file and parses each
line with JSON.parse, each in a process of its own; start-up is left out. Figures are medians.
With --state rocksdb it is run in turn in memory and on RocksDB with a checkpoint each second.
`

/** `npm run bench`: see `usage`. Exit code 2 where the arguments are wrong. */
function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      input: { type: 'string' },
      'out-of-orderness': { type: 'string', default: '0s' },
      runs: { type: 'string', default: '3' },
      format: { type: 'string', default: 'pretty' },
      state: { type: 'string', default: 'memory' },
      cache: { type: 'string', default: '256MiB' },
    },
  })
  const cache = parseByteSize(values.cache)
  const isDurable = values.state === 'rocksdb'
  const outOfOrderness = parseDuration(values['out-of-orderness'])
  const runs = Number(values.runs)
  const input = values.input
  const missing = positionals.find((name) => !existsSync(ruleFileOf(name)))
  if (input === undefined || positionals.length === 0 || missing !== undefined) {
    process.stderr.write(missing === undefined ? usage : `no rule file ${ruleFileOf(missing)}\n`)
    return 2
  }
  if ('problem' in cache || (!isDurable && values.state !== 'memory')) {
    process.stderr.write(usage)
    return 2
  }
  if ('problem' in outOfOrderness || !Number.isInteger(runs) || runs < 1) {
    process.stderr.write(usage)
    return 2
  }
  for (const pattern of positionals) {
    const isJSON = values.format === 'json'
    if (isDurable) {
      const ruleFile = ruleFileOf(pattern)
      const options = { pattern, ruleFile, input, outOfOrdernessMs: outOfOrderness.ms, runs }
      const result = measureDurable({ ...options, cacheBytes: cache.bytes })
      process.stdout.write(isJSON ? `${JSON.stringify(result)}\n` : durableText(result))
    } else {
      const result = measure(pattern, input, outOfOrderness.ms, runs)
      process.stdout.write(isJSON ? `${JSON.stringify(result)}\n` : pretty(result))
    }
  }
  return 0
}

function measure(
  pattern: string,
  input: string,
  outOfOrdernessMs: number,
  runs: number,
): BenchResult {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  const output = join(folder, 'alerts.ndjson')
  try {
    const patternRuns: PatternMeasurement[] = []
    const parseSeconds: number[] = []
    for (let run = 0; run < runs; run++) {
      const parsed = measureInChild('measure-parse.js', folder, [input])
      parseSeconds.push(parsed.seconds)
      const parameters = [ruleFileOf(pattern), input, output, String(outOfOrdernessMs), 'none']
      patternRuns.push(measureInChild('measure-pattern.js', folder, parameters))
    }
    const { events } = patternRuns[0] as PatternMeasurement
    const lines = matchLines(readFileSync(output, 'utf8'))
    const eventsPerSecond = events / median(patternRuns.map(({ seconds }) => seconds))
    const parseEventsPerSecond = events / median(parseSeconds)
    return {
      pattern,
      events,
      matches: lines.length,
      sha256: checksumOf(lines),
      events_per_second: Math.round(eventsPerSecond),
      parse_events_per_second: Math.round(parseEventsPerSecond),
      ratio: Math.round((eventsPerSecond / parseEventsPerSecond) * 100) / 100,
      rss_peak_bytes: Math.max(...patternRuns.map(({ rssPeakBytes }) => rssPeakBytes)),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function ruleFileOf(pattern: string): string {
  return join('bench', 'rules', `${pattern}.rule.yaml`)
}

function pretty(result: BenchResult): string {
  const rate = (value: number) => value.toLocaleString('en-US')
  return (
    `${result.pattern}  ${rate(result.events_per_second)} events/s, ` +
    `${result.ratio} x JSON.parse (${rate(result.parse_events_per_second)})  ` +
    `${rate(result.matches)} matches  ${Math.round(result.rss_peak_bytes / 2 ** 20)} MiB\n` +
    `    sha256 ${result.sha256}\n`
  )
}

process.exitCode = main()
