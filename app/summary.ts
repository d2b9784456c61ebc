import type { ExpressionErrorReport, JobSummary } from '../src/index.ts'
import { count } from './progress-bar.ts'
import { paint, type Terminal } from './terminal.ts'

/** What a run found, in the terms of the command line; names are stable. */
export interface RunSummary {
  /** Each record that was read is one of events, late, invalid and out of range. */
  readonly events: number
  readonly late: number
  readonly late_after_idle?: number
  /** Dead letters: not decodable, without a time, or without the key of a rule. */
  readonly invalid: number
  /** The same by what makes them dead letters: `json`, `time`, `schema`, `key` and others. */
  readonly invalid_by_cause?: Readonly<Record<string, number>>
  /** What sources took and left out on purpose, by why. */
  readonly left_out?: Readonly<Record<string, number>>
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
  /** The same by condition: what had no value, where it stands, and for which event first. */
  readonly expression_errors?: readonly ExpressionErrorCount[]
  readonly seconds: number
  readonly events_per_second: number
}

export interface ExpressionErrorCount {
  readonly rule: string
  /** `filter`, `step probe`, `until of probe`. */
  readonly place: string
  readonly expression: string
  readonly file: string
  readonly line: number
  readonly column: number
  readonly count: number
  readonly first: {
    readonly stream: string
    readonly partition: number
    readonly offset: number
    /** `amount is missing`. */
    readonly reasons: readonly string[]
  }
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
    ...some('left_out', withPrefix(metrics, 'left_out.')),
    ...(outOfRange > 0 ? { out_of_range: outOfRange } : {}),
    alerts: Object.values(byRule).reduce((sum, alerts) => sum + alerts, 0),
    alerts_by_rule: byRule,
    ...some('suppressed_by_rule', summary.suppressedByRule),
    ...some('dropped_by_rule', withPrefix(metrics, 'dropped_matches.')),
    ...some('refused_by_rule', withPrefix(metrics, 'refused_events.')),
    ...some('expression_errors_by_rule', withPrefix(metrics, 'expression_errors.')),
    ...(summary.expressionErrors.length === 0
      ? {}
      : { expression_errors: summary.expressionErrors.map(expressionErrorCount) }),
    seconds: Number(seconds.toFixed(3)),
    events_per_second: Math.round(events / Math.max(seconds, 0.001)),
  }
}

function expressionErrorCount(report: ExpressionErrorReport): ExpressionErrorCount {
  const { rule, place, expression, location, count: errors } = report
  const { stream, partition, offset, reasons } = report
  const { file, line, column } = location
  const first = { stream, partition, offset, reasons }
  return { rule, place, expression, file, line, column, count: errors, first }
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
    ...withTotal('left out', summary.left_out),
    ...optional('out of range', summary.out_of_range),
    { title: 'alerts', value: summary.alerts, bold: true },
    ...rowsOf(summary.alerts_by_rule),
    ...withTotal('suppressed', summary.suppressed_by_rule),
    ...withTotal('dropped', summary.dropped_by_rule),
    ...withTotal('refused', summary.refused_by_rule),
    ...expressionErrorRows(summary),
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

/** By rule, and below each by condition: the condition is what there is to mend. */
function expressionErrorRows(summary: RunSummary): Row[] {
  const { expression_errors_by_rule: byRule = {}, expression_errors: errors = [] } = summary
  const [total, ...rules] = withTotal('expression errors', summary.expression_errors_by_rule)
  if (total === undefined) return []
  const rows = Object.keys(byRule).flatMap((rule, index) => [
    rules[index] as Row,
    ...errors
      .filter((error) => error.rule === rule)
      .map(({ place, count: value, expression, file, line, column, first }) => {
        const position = `${first.stream}/${first.partition}/${first.offset}`
        const more = `${expression} (${file}:${line}:${column}), first for ${position}`
        return { title: `    ${place}`, value, more }
      }),
  ])
  return [total, ...rows]
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
