import type { Alert, JobAlert } from '../src/index.ts'
import { count } from './progress-bar.ts'
import { paint, type Terminal } from './terminal.ts'

/** An alert as a comparison shows it. */
export interface ComparedAlert {
  readonly rule: string
  readonly event_time: number
  readonly title: string
  readonly by: Readonly<Record<string, unknown>>
  /** Step → positions of its events, `stream/partition/offset`. */
  readonly steps: Readonly<Record<string, readonly string[]>>
}

/** What one set of rules finds and another does not. */
export interface AlertComparison {
  readonly appear: readonly ComparedAlert[]
  readonly disappear: readonly ComparedAlert[]
}

/** Collects the alerts of a run, to be compared with those of another. */
export class AlertCollection {
  readonly #alerts = new Map<string, ComparedAlert[]>()

  add(alerts: readonly JobAlert[]): void {
    for (const { alert } of alerts) {
      const compared = comparedAlert(alert)
      const key = identityOf(compared)
      const same = this.#alerts.get(key)
      if (same === undefined) this.#alerts.set(key, [compared])
      else same.push(compared)
    }
  }

  /** Alerts that this one has beyond those of the other, in order of time. */
  beyond(other: AlertCollection): ComparedAlert[] {
    const more: ComparedAlert[] = []
    for (const [key, alerts] of this.#alerts) {
      more.push(...alerts.slice(other.#alerts.get(key)?.length ?? 0))
    }
    return more.sort((a, b) => a.event_time - b.event_time)
  }
}

/** The comparison of a run by `rules` with one by the rules that it is held against. */
export function compareAlerts(found: AlertCollection, against: AlertCollection): AlertComparison {
  return { appear: found.beyond(against), disappear: against.beyond(found) }
}

const shownMax = 20

/** The comparison for people: by rule, how many and which. */
export function comparisonText(comparison: AlertComparison, terminal: Terminal): string {
  const { appear, disappear } = comparison
  if (appear.length + disappear.length === 0) return 'no alert appears or disappears\n'
  const rules = [...new Set([...appear, ...disappear].map(({ rule }) => rule))].sort()
  const lines: string[] = []
  for (const rule of rules) {
    const more = appear.filter((alert) => alert.rule === rule)
    const less = disappear.filter((alert) => alert.rule === rule)
    lines.push(`${rule}: ${count(more.length)} appear, ${count(less.length)} disappear`)
    lines.push(...shown('+', more).map((text) => paint(text, 'green', terminal.colors.print)))
    lines.push(...shown('-', less).map((text) => paint(text, 'red', terminal.colors.print)))
  }
  return `${lines.join('\n')}\n`
}

function shown(sign: string, alerts: readonly ComparedAlert[]): string[] {
  const lines = alerts.slice(0, shownMax).map((alert) => {
    const time = new Date(alert.event_time).toISOString()
    const steps = Object.entries(alert.steps).map(([step, at]) => `${step} ${at.join(',')}`)
    return `  ${sign} ${time} ${JSON.stringify(alert.by)} ${steps.join(' ')}  ${alert.title}`.trimEnd()
  })
  if (alerts.length > shownMax) {
    lines.push(`  ${sign} and ${count(alerts.length - shownMax)} more; --format json has them all`)
  }
  return lines
}

function comparedAlert({ rule, eventTime, title, by, steps }: Alert): ComparedAlert {
  const positions: Record<string, string[]> = {}
  for (const [step, events] of steps) {
    positions[step] = events.map(
      ({ split, offset }) => `${split.stream}/${split.partition}/${offset}`,
    )
  }
  return { rule, event_time: eventTime, title, by: Object.fromEntries(by), steps: positions }
}

/** Rule, key and steps; an alert without steps is told from others by its time. */
function identityOf({ rule, by, steps, event_time }: ComparedAlert): string {
  const taken = Object.entries(steps)
  return JSON.stringify([rule, Object.entries(by), taken.length === 0 ? event_time : taken])
}
