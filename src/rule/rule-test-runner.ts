import { createScannerDecoder } from '../decode/json-scanner.ts'
import { formatDuration } from '../expression/time-value.ts'
import { MetricGroup } from '../metrics.ts'
import type { SuppressedAlert } from '../operator/alert-operator.ts'
import { VirtualRun } from '../runtime/virtual-run.ts'
import type { Alert, JsonValue } from '../stream/alert.ts'
import { decodeKey } from '../stream/key.ts'
import { ManualClock } from '../time/clock.ts'
import { defaultWatermarkStrategy } from '../time/watermark-strategy.ts'
import { explainEvents } from './explain-events.ts'
import { keyText, pathLines } from './explained-run-text.ts'
import type { CheckedRule } from './expression-check.ts'
import type { Location, RuleTest } from './rule.ts'
import { compileRules, type RulePipeline, type StreamTime } from './rule-pipeline.ts'
import { type ShowTestAlert, showingTestAlerts } from './shown-test-alert.ts'
import { type PlacedEvent, placeTestEvents } from './test-events.ts'
import type { TestAlert } from './test-expectation.ts'
import { alertText, mismatchesOf, type TestMismatch } from './test-mismatch.ts'

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
  const show = showingTestAlerts(checked)
  const outcome = new TestRun(checked, test, show)
  const problems = placed.problems.map(({ message, path }): TestMismatch => {
    return { kind: 'invalid', location: test.locate(path), message }
  })
  if (problems.length === 0) outcome.run(placed.events)
  const mismatches = problems.length > 0 ? problems : mismatchesOf(test, outcome.alerts, show)
  const missing = mismatches.some(({ kind }) => kind === 'missing')
  const nearMisses = missing ? nearMissNotes(checked, test, placed.events) : []
  return {
    rule: checked.rule.id,
    test: test.name,
    passed: mismatches.length === 0,
    location: test.locate(test.path),
    events: outcome.events,
    alerts: outcome.alerts.map(show),
    mismatches,
    // Each predicate reports its own first error: often they are those of one event.
    notes: [...new Set([...outcome.notes, ...nearMisses])],
  }
}

/** One test on a pipeline of its own. */
class TestRun {
  events = 0
  readonly alerts: TestAlert[] = []
  readonly notes: string[] = []
  readonly #checked: CheckedRule
  readonly #test: RuleTest
  readonly #show: ShowTestAlert
  readonly #pipeline: RulePipeline

  constructor(checked: CheckedRule, test: RuleTest, show: ShowTestAlert) {
    this.#checked = checked
    this.#test = test
    this.#show = show
    this.#pipeline = compileRules([testedAlike(checked)], {
      streams: new Map(checked.rule.from.map((stream) => [stream, givenTime])),
      createDecoder: createScannerDecoder,
      environment: { tables: new Map() },
      clock: new ManualClock(test.start),
      metrics: new MetricGroup(),
      tiesByArrival: true,
      sideOutput: ({ offset, reason }) => this.notes.push(`event ${offset} is left out: ${reason}`),
      onExpressionError: ({ place, expression, reasons, offset }) => {
        const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
        const what = `\`${expression}\` of ${place} has no value for event ${offset}${why}`
        this.notes.push(`${what}: it counts as false`)
      },
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
    const offered = offeredEvents(this.#test, events)
    const run = new VirtualRun(this.#pipeline.sources)
    for (const { stream, event, index, timestamp } of offered) {
      // A stream without events must not hold the time of the others.
      run.advance(timestamp - 1)
      run.offer(stream, event, index, timestamp)
    }
    const last = offered.at(-1)?.timestamp ?? start
    run.advance(endMs === null ? last : start + endMs)
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
      by: this.#keyOf(alert),
      state: alert.state,
      steps: Object.fromEntries(indexes),
      fields: objectOf(alert.fields),
      title: alert.title,
      severity: alert.severity,
    }
  }

  /** As it is, to be compared: what is told of it goes through `show`. */
  #keyOf({ key }: Alert): TestAlert['by'] {
    const values = decodeKey(key)
    const { by } = this.#checked.rule
    return Object.fromEntries(by.map(({ name }, part) => [name, values[part] as JsonValue]))
  }

  #suppressionText({ alert, by }: SuppressedAlert): string {
    const held = by.kind === 'dedupe' ? '`dedupe`' : `the exception \`${by.name}\``
    return `held back by ${held}: ${alertText(this.#show(this.#testAlertOf(alert)))}`
  }
}

/** A test stops at its `end`: what comes after it does not count. */
function offeredEvents(
  { start, endMs }: RuleTest,
  events: readonly PlacedEvent[],
): readonly PlacedEvent[] {
  return endMs === null ? events : events.filter(({ timestamp }) => timestamp <= start + endMs)
}

const nearMissNotesMax = 20

/** How far each partial match got that raised no alert: one of them was to. */
function nearMissNotes(
  checked: CheckedRule,
  test: RuleTest,
  placed: readonly PlacedEvent[],
): string[] {
  const events = offeredEvents(test, placed).map(({ stream, event, index, timestamp }) => {
    return { stream, text: JSON.stringify(event), position: index, timestamp }
  })
  const { keys } = explainEvents(checked, events, {
    streams: new Map(checked.rule.from.map((stream) => [stream, givenTime])),
    tiesByArrival: true,
    ...(test.endMs === null ? {} : { until: test.start + test.endMs }),
  })
  const timeText = (timestamp: number) => formatDuration(timestamp - test.start)
  const notes = keys.flatMap(({ by, paths }) =>
    paths
      .filter(({ outcome }) => outcome.kind !== 'matched' && outcome.kind !== 'skipped')
      .map((path) => `${keyText(by)}: ${pathLines(path, timeText).map(trimmed).join('; ')}`),
  )
  const more = notes.length - nearMissNotesMax
  return more > 0
    ? [...notes.slice(0, nearMissNotesMax), `and ${more} more partial matches`]
    : notes
}

function trimmed(line: string): string {
  return line.trim()
}

/** Times are handed over beside the events, so that nothing in an event is or looks like one. */
const givenTime: StreamTime = { field: [], unit: 'ms', watermarks: defaultWatermarkStrategy }

function testedAlike(checked: CheckedRule): CheckedRule {
  const { expressions, templates, generated, redact } = checked
  return { rule: { ...checked.rule, mode: 'live' }, expressions, templates, generated, redact }
}

function objectOf(map: ReadonlyMap<string, JsonValue>): Record<string, JsonValue> {
  return Object.fromEntries(map)
}
