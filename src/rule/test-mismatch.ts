import { formatDuration } from '../expression/time-value.ts'
import { joinPath } from './document-path.ts'
import type { ExpectedAlert, Location, RuleTest } from './rule.ts'
import { type ShowTestAlert, shownDifference } from './shown-test-alert.ts'
import {
  differencesOf,
  type ExpectationDifference,
  pairExpectations,
  type TestAlert,
} from './test-expectation.ts'

/** One difference from `expect`. */
export type TestMismatch =
  | {
      readonly kind: 'missing'
      /** The entry of `expect` as it is written. */
      readonly expected: Readonly<Record<string, unknown>>
      /** The alert left over that comes nearest; `null` where none is. */
      readonly nearest: NearestAlert | null
      /** Of the entry. */
      readonly location: Location
      readonly message: string
    }
  | {
      readonly kind: 'unexpected'
      readonly alert: TestAlert
      /** Of `expect`. */
      readonly location: Location
      readonly message: string
    }
  /** The test could not be run. */
  | { readonly kind: 'invalid'; readonly location: Location; readonly message: string }

export interface NearestAlert {
  readonly alert: TestAlert
  readonly differences: readonly ExpectationDifference[]
}

/** Compares what came with `expect`, as bags; empty: all is as expected. */
export function mismatchesOf(
  test: RuleTest,
  alerts: readonly TestAlert[],
  show: ShowTestAlert,
): TestMismatch[] {
  const pairs = pairExpectations(test.expect, alerts)
  const left = alerts.filter((_, index) => !pairs.includes(index))
  const missing = test.expect
    .filter((_, index) => pairs[index] === -1)
    .map((expected): TestMismatch => {
      const nearest = nearestOf(expected, left, show)
      const message = `expected ${expectedText(expected)}, ${nearestText(nearest)}`
      const location = test.locate(expected.path)
      return { kind: 'missing', expected: expectedDocument(expected), nearest, location, message }
    })
  const unexpected = left.map(show).map((alert): TestMismatch => {
    const message = `not expected: ${alertText(alert)}`
    return {
      kind: 'unexpected',
      alert,
      location: test.locate(joinPath(test.path, 'expect')),
      message,
    }
  })
  return [...missing, ...unexpected]
}

function nearestOf(
  expected: ExpectedAlert,
  alerts: readonly TestAlert[],
  show: ShowTestAlert,
): NearestAlert | null {
  let nearest: NearestAlert | null = null
  for (const alert of alerts) {
    const differences = differencesOf(expected, alert)
    if (nearest === null || differences.length < nearest.differences.length) {
      nearest = { alert, differences }
    }
  }
  if (nearest === null) return null
  const alert = show(nearest.alert)
  const differences = nearest.differences.map((difference) => shownDifference(difference, alert))
  return { alert, differences }
}

function nearestText(nearest: NearestAlert | null): string {
  if (nearest === null) return 'but no other alert came'
  const parts = nearest.differences.map(
    ({ what, expected, actual }) => `${what} is ${text(actual)}, not ${text(expected)}`,
  )
  return `but of the nearest alert ${parts.join('; ')}`
}

/** An entry of `expect` as it is written, without what it does not give. */
function expectedDocument(expected: ExpectedAlert): Record<string, unknown> {
  const { atMs, by, state, steps, counts, values, fields } = expected
  const document = {
    at: atMs === null ? null : formatDuration(atMs),
    by,
    state,
    steps: steps === null ? null : Object.fromEntries(steps),
    counts: counts === null ? null : Object.fromEntries(counts),
    values,
    fields,
  }
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null))
}

function expectedText(expected: ExpectedAlert): string {
  const parts = Object.entries(expectedDocument(expected)).map(
    ([name, value]) => `${name} ${text(value)}`,
  )
  return parts.length === 0 ? 'an alert' : `an alert with ${parts.join(', ')}`
}

/** An alert in a sentence. */
export function alertText({ atMs, by, state, steps }: TestAlert): string {
  const shown = state === 'firing' ? '' : ` ${state}`
  return `an alert${shown} at ${formatDuration(atMs)}, by ${text(by)}, steps ${text(steps)}`
}

/** Names without quotes, as rules are written. */
function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
