import { formatDuration } from '../expression/time-value.ts'
import { same } from '../expression/value.ts'
import type { AlertState, JsonValue } from '../stream/alert.ts'
import type { ExpectedAlert } from './rule.ts'

/** An alert that a test brought, in the terms of `expect`. */
export interface TestAlert {
  /** Event time, milliseconds from the test's `start`. */
  readonly atMs: number
  readonly by: Readonly<Record<string, JsonValue>>
  readonly state: AlertState
  /** Step → indexes into the test's events, in order of time. */
  readonly steps: Readonly<Record<string, readonly number[]>>
  readonly fields: Readonly<Record<string, JsonValue>>
  readonly title: string
  readonly severity: string
}

/** One thing in which an alert is not what was expected. */
export interface ExpectationDifference {
  /** `at`, `state`, or with a name: `by.card`, `steps.probe`, `counts.failures`, `fields.lost`. */
  readonly what: string
  /** Times as durations; `null` where there is no such thing. */
  readonly expected: unknown
  readonly actual: unknown
}

/** What of an expectation an alert does not meet; empty: it meets it. What is not given is not compared. */
export function differencesOf(expected: ExpectedAlert, alert: TestAlert): ExpectationDifference[] {
  const differences: ExpectationDifference[] = []
  const compare = (what: string, wanted: unknown, actual: unknown) => {
    if (!same(wanted, actual)) differences.push({ what, expected: wanted, actual })
  }
  const { atMs, by, state, steps, counts, values, fields } = expected
  if (atMs !== null) compare('at', formatDuration(atMs), formatDuration(alert.atMs))
  compareNamed(compare, 'by', by, alert.by)
  if (state !== null) compare('state', state, alert.state)
  for (const [name, indexes] of steps ?? []) {
    compare(`steps.${name}`, sorted(indexes), sorted(alert.steps[name] ?? []))
  }
  for (const [name, count] of counts ?? []) {
    compare(`counts.${name}`, count, alert.steps[name]?.length ?? 0)
  }
  // No kind of rule that is built has a `let`.
  compareNamed(compare, 'values', values, {})
  compareNamed(compare, 'fields', fields, alert.fields)
  return differences
}

/**
 * Pairs expectations with alerts that meet them, as many as can be: one that asks for little must
 * not take the alert that another needs (augmenting paths, as in Kuhn's algorithm).
 * @returns for each expectation the index of its alert; -1 where none is left
 */
export function pairExpectations(
  expected: readonly ExpectedAlert[],
  alerts: readonly TestAlert[],
): number[] {
  const fitting = expected.map((one) =>
    alerts.flatMap((alert, index) => (differencesOf(one, alert).length === 0 ? [index] : [])),
  )
  const owners = new Array<number>(alerts.length).fill(-1)
  const place = (expectation: number, tried: Set<number>): boolean => {
    for (const alert of fitting[expectation] ?? []) {
      if (tried.has(alert)) continue
      tried.add(alert)
      const owner = owners[alert] as number
      if (owner !== -1 && !place(owner, tried)) continue
      owners[alert] = expectation
      return true
    }
    return false
  }
  for (let index = 0; index < expected.length; index++) place(index, new Set())
  return expected.map((_, index) => owners.indexOf(index))
}

function compareNamed(
  compare: (what: string, wanted: unknown, actual: unknown) => void,
  what: string,
  wanted: Readonly<Record<string, unknown>> | null,
  actual: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(wanted ?? {})) {
    compare(`${what}.${name}`, value, Object.hasOwn(actual, name) ? actual[name] : null)
  }
}

function sorted(indexes: readonly number[]): number[] {
  return [...indexes].sort((a, b) => a - b)
}
