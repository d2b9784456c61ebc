import { join } from 'node:path'
import { connectors } from '../connectors/registry.ts'
import { type Alert, defaultWatermarkStrategy, type JobStream } from '../src/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { withInterrupt } from './interrupt.ts'
import { runJob } from './job-run.ts'
import { loadRulesToRun } from './load-rules.ts'
import { packageRoot } from './package-root.ts'
import { runSummary, summaryText } from './summary.ts'
import { type Color, paint, type Terminal } from './terminal.ts'

const startMs = Date.UTC(2026, 0, 1)
/** Long enough for each kind of fraud and fault that the generator plants. */
const lengthMs = 31 * 60_000
const eventsPerSecond = 5

/** `tocsin demo`: the shipped rules over generated traffic, alerts as they come. */
export async function demoCommand(terminal: Terminal): Promise<ExitCode> {
  const rules = loadRulesToRun(join(packageRoot(), 'rules'))
  const names = [...new Set(rules.flatMap(({ rule }) => rule.from))]
  terminal.print(
    `${lengthMs / 60_000} minutes of made-up traffic: ${names.join(', ')}; ${rules.length} rules\n\n`,
  )
  const waiting: Alert[] = []
  const printUntil = (eventTime: number) => {
    waiting.sort((a, b) => a.eventTime - b.eventTime)
    const later = waiting.findIndex((alert) => alert.eventTime > eventTime)
    for (const alert of waiting.splice(0, later < 0 ? waiting.length : later)) {
      terminal.print(`${alertLine(alert, terminal)}\n`)
    }
  }
  const run = await withInterrupt(terminal, (stop) =>
    runJob({
      rules,
      streams: new Map(names.map((name) => [name, generated(name)])),
      deliver: async (alerts) => {
        waiting.push(...alerts.map(({ alert }) => alert))
      },
      // Streams are read a stretch at a time; people read in order of time.
      onProgress: ({ eventTime }) => printUntil(eventTime),
      sideOutput: null,
      terminal,
      stop,
      showsProgress: false,
      // What is decided beyond the end would be that every sensor has fallen silent.
      to: startMs + lengthMs,
    }),
  )
  printUntil(Number.POSITIVE_INFINITY)
  if (run.summary.end !== 'ended') return exitCodes.interrupted
  terminal.print(`\n${summaryText(runSummary(run.summary, run.elapsedMs), terminal)}`)
  return exitCodes.fine
}

/** The traffic of a stream is of the kind that the stream is named after. */
function generated(kind: string): JobStream {
  const count = Math.ceil((lengthMs / 1000) * eventsPerSecond)
  const options = { kind, count, events_per_second: eventsPerSecond }
  const source = connectors.get('generator')?.source?.create(options, { directory: '.' })
  if (source === undefined) throw new Error('the generator is a source')
  return { source, time: { field: ['ts'], unit: 'ms', watermarks: defaultWatermarkStrategy } }
}

const severityColors: Readonly<Record<string, Color>> = {
  info: 'dim',
  low: 'cyan',
  medium: 'yellow',
  high: 'red',
  critical: 'red',
}

/** An alert on one line: event time, severity, rule, title. */
export function alertLine({ eventTime, severity, rule, title }: Alert, terminal: Terminal): string {
  const { print } = terminal.colors
  const time = paint(new Date(eventTime).toISOString().slice(11, 19), 'dim', print)
  const level = paint(severity.padEnd(8), severityColors[severity] ?? 'dim', print)
  return `${time}  ${level}  ${paint(rule.padEnd(20), 'bold', print)} ${title}`
}
