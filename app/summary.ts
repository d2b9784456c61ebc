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
  const seconds = summary.seconds.toFixed(2)
  const lines = [
    line('events', summary.events, `in ${seconds} s, ${count(summary.events_per_second)} events/s`),
    line('late', summary.late),
  ]
  if (summary.late_after_idle !== undefined) {
    lines.push(line('late after idle', summary.late_after_idle))
  }
  lines.push(line('invalid', summary.invalid))
  if (summary.out_of_range !== undefined) lines.push(line('out of range', summary.out_of_range))
  lines.push(paint(line('alerts', summary.alerts), 'bold', terminal.colors.print))
  lines.push(...byRule(summary.alerts_by_rule))
  const more = [
    ['suppressed', summary.suppressed_by_rule],
    ['dropped', summary.dropped_by_rule],
    ['refused', summary.refused_by_rule],
    ['expression errors', summary.expression_errors_by_rule],
  ] as const
  for (const [title, counts] of more) {
    if (counts === undefined) continue
    const total = Object.values(counts).reduce((sum, each) => sum + each, 0)
    lines.push(line(title, total), ...byRule(counts))
  }
  return `${lines.join('\n')}\n`
}

const titleWidth = 18
const countWidth = 13

function line(title: string, value: number, more = ''): string {
  return `${title.padEnd(titleWidth)}${count(value).padStart(countWidth)}  ${more}`.trimEnd()
}

function byRule(counts: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(counts)
  const width = Math.max(titleWidth - 4, ...entries.map(([rule]) => rule.length)) + 2
  return entries.map(
    ([rule, value]) =>
      `  ${rule.padEnd(width)}${count(value).padStart(titleWidth + countWidth - 4 - (titleWidth - 4))}`,
  )
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
