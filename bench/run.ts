import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseDuration } from '../src/connector/duration.ts'
import { matchLines } from './match-lines.ts'
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
Runs each pattern of bench/rules over FILE, in turn with a loop that reads the file and parses each
line with JSON.parse, each in a process of its own; start-up is left out. Figures are medians.
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
    },
  })
  const outOfOrderness = parseDuration(values['out-of-orderness'])
  const runs = Number(values.runs)
  const input = values.input
  const missing = positionals.find((name) => !existsSync(ruleFileOf(name)))
  if (input === undefined || positionals.length === 0 || missing !== undefined) {
    process.stderr.write(missing === undefined ? usage : `no rule file ${ruleFileOf(missing)}\n`)
    return 2
  }
  if ('problem' in outOfOrderness || !Number.isInteger(runs) || runs < 1) {
    process.stderr.write(usage)
    return 2
  }
  for (const pattern of positionals) {
    const result = measure(pattern, input, outOfOrderness.ms, runs)
    process.stdout.write(values.format === 'json' ? `${JSON.stringify(result)}\n` : pretty(result))
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
      const parsed = child('measure-parse.js', folder, [input])
      parseSeconds.push(parsed.seconds)
      const parameters = [ruleFileOf(pattern), input, output, String(outOfOrdernessMs)]
      patternRuns.push(child('measure-pattern.js', folder, parameters))
    }
    const { events } = patternRuns[0] as PatternMeasurement
    const lines = matchLines(readFileSync(output, 'utf8'))
    const eventsPerSecond = events / median(patternRuns.map(({ seconds }) => seconds))
    const parseEventsPerSecond = events / median(parseSeconds)
    return {
      pattern,
      events,
      matches: lines.length,
      sha256: createHash('sha256')
        .update(lines.map((line) => `${line}\n`).join(''))
        .digest('hex'),
      events_per_second: Math.round(eventsPerSecond),
      parse_events_per_second: Math.round(parseEventsPerSecond),
      ratio: Math.round((eventsPerSecond / parseEventsPerSecond) * 100) / 100,
      rss_peak_bytes: Math.max(...patternRuns.map(({ rssPeakBytes }) => rssPeakBytes)),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a script beside this one; its last argument is the file that it leaves its result in. */
function child(script: string, folder: string, parameters: readonly string[]): PatternMeasurement {
  const resultFile = join(folder, 'result.json')
  const path = fileURLToPath(new URL(script, import.meta.url))
  execFileSync(process.execPath, [path, ...parameters, resultFile], { stdio: 'inherit' })
  return JSON.parse(readFileSync(resultFile, 'utf8')) as PatternMeasurement
}

function ruleFileOf(pattern: string): string {
  return join('bench', 'rules', `${pattern}.rule.yaml`)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
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
