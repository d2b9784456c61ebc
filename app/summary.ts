import type { JobSummary } from '../src/index.ts'
import { count } from './progress-bar.ts'
import { paint, type Terminal } from './terminal.ts'

/** What a run found, in the terms of the command line; names are stable. */
export interface RunSummary {
  readonly events: number
  readonly late: number
  readonly late_after_idle?: number
  /** Dead letters: not decodable, without a time, or without the key of a rule. */
  readonly invalid: number
  /** The same by what makes them dead letters: `json`, `time`, `schema`, `key` and others. */
  readonly invalid_by_cause?: Readonly<Record<string, number>>
  /** Outside of `--from` and `--to`. */
  readonly out_of_range?: number
  readonly alerts: number
  readonly alerts_by_rule: Readonly<Record<string, number>>
  readonly suppressed_by_rule?: Readonly<Record<string, number>>
  /** Matches beyond `max_matches`, by rule. */
  readonly dropped_by_rule?: Readonly<Record<string, number>>
  /** First events beyond `limit`, by rule. */
  readonly refused_by_rule?: Readonly<Record<string, number>>
  readonly expression_errors_by_rule?: Readonly<Record<string, number>>
  readonly seconds: number
  readonly events_per_second: number
}

export function runSummary(summary: JobSummary, elapsedMs: number): RunSummary {
  const { events, late, lateAfterIdle, deadLetters, outOfRange, metrics } = summary
  const seconds = elapsedMs / 1000
  const byRule = Object.fromEntries(summary.alertsByRule)
  return {
    events,
    late,
    ...(lateAfterIdle > 0 ? { late_after_idle: lateAfterIdle } : {}),
    invalid: deadLetters,
    ...some('invalid_by_cause', summary.deadLettersByCause),
    ...(outOfRange > 0 ? { out_of_range: outOfRange } : {}),
    alerts: Object.values(byRule).reduce((sum, alerts) => sum + alerts, 0),
    alerts_by_rule: byRule,
    ...some('suppressed_by_rule', summary.suppressedByRule),
    ...some('dropped_by_rule', withPrefix(metrics, 'dropped_matches.')),
    ...some('refused_by_rule', withPrefix(metrics, 'refused_events.')),
    ...some('expression_errors_by_rule', withPrefix(metrics, 'expression_errors.')),
    seconds: Number(seconds.toFixed(3)),
    events_per_second: Math.round(events / Math.max(seconds, 0.001)),
  }
}

/** The summary for people. */
export function summaryText(summary: RunSummary, terminal: Terminal): string {
  const rows: Row[] = [
    {
      title: 'events',
      value: summary.events,
      more: `in ${summary.seconds.toFixed(2)} s, ${count(summary.events_per_second)} events/s`,
    },
    { title: 'late', value: summary.late },
    ...optional('late after idle', summary.late_after_idle),
    { title: 'invalid', value: summary.invalid },
    ...rowsOf(summary.invalid_by_cause ?? {}),
    ...optional('out of range', summary.out_of_range),
    { title: 'alerts', value: summary.alerts, bold: true },
    ...rowsOf(summary.alerts_by_rule),
    ...withTotal('suppressed', summary.suppressed_by_rule),
    ...withTotal('dropped', summary.dropped_by_rule),
    ...withTotal('refused', summary.refused_by_rule),
    ...withTotal('expression errors', summary.expression_errors_by_rule),
  ]
  const width = Math.max(titleWidthMin, ...rows.map(({ title }) => title.length + 1))
  const lines = rows.map(({ title, value, more = '', bold = false }) => {
    const line = `${title.padEnd(width)}${count(value).padStart(countWidth)}  ${more}`.trimEnd()
    return `${paint(line, 'bold', bold && terminal.colors.print)}\n`
  })
  return lines.join('')
}

interface Row {
  readonly title: string
  readonly value: number
  readonly more?: string
  readonly bold?: boolean
}

const titleWidthMin = 18
const countWidth = 13

function optional(title: string, value: number | undefined): Row[] {
  return value === undefined ? [] : [{ title, value }]
}

function rowsOf(counts: Readonly<Record<string, number>>): Row[] {
  return Object.entries(counts).map(([name, value]) => ({ title: `  ${name}`, value }))
}

function withTotal(title: string, counts: Readonly<Record<string, number>> | undefined): Row[] {
  if (counts === undefined) return []
  const value = Object.values(counts).reduce((sum, each) => sum + each, 0)
  return [{ title, value }, ...rowsOf(counts)]
}

function some(
  name: string,
  counts: ReadonlyMap<string, number>,
): Readonly<Record<string, Readonly<Record<string, number>>>> {
  const positive = [...counts].filter(([, value]) => value > 0)
  return positive.length === 0 ? {} : { [name]: Object.fromEntries(positive) }
}

function withPrefix(metrics: ReadonlyMap<string, number>, prefix: string): Map<string, number> {
  return new Map(
    [...metrics]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  )
}
