import { createScannerDecoder } from '../decode/json-scanner.ts'
import { formatDuration } from '../expression/time-value.ts'
import { MetricGroup } from '../metrics.ts'
import type { SuppressedAlert } from '../operator/alert-operator.ts'
import { VirtualRun } from '../runtime/virtual-run.ts'
import type { Alert, JsonValue } from '../stream/alert.ts'
import { ManualClock } from '../time/clock.ts'
import { defaultWatermarkStrategy } from '../time/watermark-strategy.ts'
import { joinPath } from './document-path.ts'
import type { CheckedRule } from './expression-check.ts'
import type { ExpectedAlert, Location, RuleTest } from './rule.ts'
import { compileRules, type RulePipeline, type StreamTime } from './rule-pipeline.ts'
import { type PlacedEvent, placeTestEvents } from './test-events.ts'
import {
  differencesOf,
  type ExpectationDifference,
  pairExpectations,
  type TestAlert,
} from './test-expectation.ts'

export interface RuleTestOptions {
  /** Texts of the files that `eventFilesOf` names, by those names; default none. */
  readonly files?: ReadonlyMap<string, string>
  /** Which tests to run; default all. */
  readonly select?: (test: RuleTest) => boolean
}

/** Outcome of one test, as plain data. */
export interface RuleTestResult {
  /** Id of the rule. */
  readonly rule: string
  readonly test: string
  readonly passed: boolean
  /** Where the test stands. */
  readonly location: Location
  /** Events that were offered. */
  readonly events: number
  /** All that came, in order. */
  readonly alerts: readonly TestAlert[]
  /** What differs from `expect`; empty where the test passed. */
  readonly mismatches: readonly TestMismatch[]
  /** What may explain a failure, each a sentence: near misses, events left out, errors. */
  readonly notes: readonly string[]
}

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

/** Runs the tests of a rule on the engine, in virtual time, whatever the rule's `mode` is. */
export function runRuleTests(
  checked: CheckedRule,
  options: RuleTestOptions = {},
): RuleTestResult[] {
  const { files = new Map(), select = () => true } = options
  return checked.rule.tests.filter(select).map((test) => runRuleTest(checked, test, files))
}

function runRuleTest(
  checked: CheckedRule,
  test: RuleTest,
  files: ReadonlyMap<string, string>,
): RuleTestResult {
  const placed = placeTestEvents(checked, test, files)
  const outcome = new TestRun(checked, test)
  const problems = placed.problems.map(({ message, path }): TestMismatch => {
    return { kind: 'invalid', location: test.locate(path), message }
  })
  if (problems.length === 0) outcome.run(placed.events)
  const mismatches = problems.length > 0 ? problems : mismatchesOf(test, outcome.alerts)
  return {
    rule: checked.rule.id,
    test: test.name,
    passed: mismatches.length === 0,
    location: test.locate(test.path),
    events: outcome.events,
    alerts: outcome.alerts,
    mismatches,
    notes: outcome.notes,
  }
}

/** One test on a pipeline of its own. */
class TestRun {
  events = 0
  readonly alerts: TestAlert[] = []
  readonly notes: string[] = []
  readonly #test: RuleTest
  readonly #pipeline: RulePipeline

  constructor(checked: CheckedRule, test: RuleTest) {
    this.#test = test
    this.#pipeline = compileRules([testedAlike(checked)], {
      streams: new Map(checked.rule.from.map((stream) => [stream, givenTime])),
      createDecoder: createScannerDecoder,
      environment: { tables: new Map() },
      clock: new ManualClock(test.start),
      metrics: new MetricGroup(),
      tiesByArrival: true,
      sideOutput: ({ offset, reason }) => this.notes.push(`event ${offset} is left out: ${reason}`),
      onExpressionError: ({ offset }) =>
        this.notes.push(`a condition has no value for event ${offset}: it counts as false`),
      alerts: {
        alert: (alert) => this.alerts.push(this.#testAlertOf(alert)),
        suppressed: (suppressed) => this.notes.push(this.#suppressionText(suppressed)),
        droppedMatches: (_rule, count) =>
          this.notes.push(`${count} matches are dropped: more than \`max_matches\` at one event`),
        refusedEvent: () =>
          this.notes.push('a first event is refused: `limit` of them are open already'),
      },
    })
  }

  /** Offers events in order of time, then lets time go on to the test's end. */
  run(events: readonly PlacedEvent[]): void {
    const { start, endMs } = this.#test
    const end = endMs === null ? Infinity : start + endMs
    const offered = events.filter(({ timestamp }) => timestamp <= end)
    const run = new VirtualRun(this.#pipeline.sources)
    for (const { stream, event, index, timestamp } of offered) {
      // A stream without events must not hold the time of the others.
      run.advance(timestamp - 1)
      run.offer(stream, event, index, timestamp)
    }
    const last = offered.at(-1)?.timestamp ?? start
    run.advance(endMs === null ? last : end)
    this.events = offered.length
    const beyond = events.length - offered.length
    if (beyond > 0) this.notes.push(`${beyond} of the events are after \`end\` and do not count`)
  }

  #testAlertOf(alert: Alert): TestAlert {
    const indexes = [...alert.steps].map(([name, events]): [string, number[]] => [
      name,
      events.map(({ offset }) => offset),
    ])
    return {
      atMs: alert.eventTime - this.#test.start,
      by: objectOf(alert.by),
      state: alert.state,
      steps: Object.fromEntries(indexes),
      fields: objectOf(alert.fields),
      title: alert.title,
      severity: alert.severity,
    }
  }

  #suppressionText({ alert, by }: SuppressedAlert): string {
    const held = by.kind === 'dedupe' ? '`dedupe`' : `the exception \`${by.name}\``
    return `held back by ${held}: ${alertText(this.#testAlertOf(alert))}`
  }
}

/** Times are handed over beside the events, so that nothing in an event is or looks like one. */
const givenTime: StreamTime = { field: [], unit: 'ms', watermarks: defaultWatermarkStrategy }

function testedAlike(checked: CheckedRule): CheckedRule {
  const { expressions, templates, generated } = checked
  return { rule: { ...checked.rule, mode: 'live' }, expressions, templates, generated }
}

function objectOf(map: ReadonlyMap<string, JsonValue>): Record<string, JsonValue> {
  return Object.fromEntries(map)
}

function mismatchesOf(test: RuleTest, alerts: readonly TestAlert[]): TestMismatch[] {
  const pairs = pairExpectations(test.expect, alerts)
  const left = alerts.filter((_, index) => !pairs.includes(index))
  const missing = test.expect
    .filter((_, index) => pairs[index] === -1)
    .map((expected): TestMismatch => {
      const nearest = nearestOf(expected, left)
      const message = `expected ${expectedText(expected)}, ${nearestText(nearest)}`
      const location = test.locate(expected.path)
      return { kind: 'missing', expected: expectedDocument(expected), nearest, location, message }
    })
  const unexpected = left.map((alert): TestMismatch => {
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

function nearestOf(expected: ExpectedAlert, alerts: readonly TestAlert[]): NearestAlert | null {
  let nearest: NearestAlert | null = null
  for (const alert of alerts) {
    const differences = differencesOf(expected, alert)
    if (nearest === null || differences.length < nearest.differences.length) {
      nearest = { alert, differences }
    }
  }
  return nearest
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

function alertText({ atMs, by, state, steps }: TestAlert): string {
  const shown = state === 'firing' ? '' : ` ${state}`
  return `an alert${shown} at ${formatDuration(atMs)}, by ${text(by)}, steps ${text(steps)}`
}

/** Names without quotes, as rules are written. */
function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
