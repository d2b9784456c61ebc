import { isDeepStrictEqual } from 'node:util'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { MetricGroup } from '../../src/metrics.ts'
import type { CheckedRule } from '../../src/rule/expression-check.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { compileRules, type RulePipeline } from '../../src/rule/rule-pipeline.ts'
import { VirtualRun } from '../../src/runtime/virtual-run.ts'
import type { Alert } from '../../src/stream/alert.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
import { caseNameOf, ruleDocumentOf, soleKeyField } from './case-rule.ts'
import type { CaseMatch, ConformanceCase } from './conformance-case.ts'

/** What a case gave, in the terms of its expectations. */
interface Outcome {
  readonly rejected: string | null
  readonly failed: string | null
  readonly matches: CaseMatch[]
  readonly timeouts: CaseMatch[]
  readonly late: number[]
}

/** Runs a case on the engine. Returns what differs from the expectation; empty: it passed. */
export function runCase(testCase: ConformanceCase): string[] {
  return differences(testCase, outcomeOf(testCase))
}

function outcomeOf(testCase: ConformanceCase): Outcome {
  const outcome: Outcome = { rejected: null, failed: null, matches: [], timeouts: [], late: [] }
  const checked = loadCase(testCase)
  if (typeof checked === 'string') return { ...outcome, rejected: checked }
  let pipeline: RulePipeline
  try {
    pipeline = compileCase(checked, testCase, outcome)
  } catch (error) {
    return { ...outcome, rejected: String(error) }
  }
  try {
    feed(testCase, pipeline)
  } catch (error) {
    return { ...outcome, failed: String(error) }
  }
  return outcome
}

function loadCase(testCase: ConformanceCase): CheckedRule | string {
  const text = JSON.stringify(ruleDocumentOf(testCase))
  const { rules, problems } = loadCheckedRules([{ path: 'case.json', text }])
  if (problems.length > 0) return problems.map(({ message }) => message).join('; ')
  return rules[0] as CheckedRule
}

/** Events move no time: the case says when it moves. */
const casesMoveTime = { ...defaultWatermarkStrategy, outOfOrdernessMs: Number.POSITIVE_INFINITY }

/** Case events in order of arrival; ties of time may be ordered by a field instead. */
function compileCase(
  checked: CheckedRule,
  testCase: ConformanceCase,
  outcome: Outcome,
): RulePipeline {
  return compileRules([checked], {
    streams: new Map([['events', { field: ['ts'], unit: 'ms', watermarks: casesMoveTime }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    metrics: new MetricGroup(),
    onExpressionError: () => {},
    sideOutput: ({ offset }) => outcome.late.push(offset),
    alerts: {
      alert: (alert) => {
        if (alert.severity === 'critical') {
          outcome.timeouts.push({ ...stepsOf(alert), at: alert.eventTime })
        } else outcome.matches.push(stepsOf(alert))
      },
      suppressed: () => {},
      droppedMatches: () => {},
      refusedEvent: () => {},
    },
    timeLimits: 'watermark',
    throwOnMiss: testCase.pattern.skip?.throwOnMiss ?? false,
  })
}

function stepsOf(alert: Alert): CaseMatch {
  return Object.fromEntries(
    [...alert.steps].map(([name, events]) => [
      caseNameOf(name),
      events.map((event) => event.offset),
    ]),
  )
}

function feed(testCase: ConformanceCase, pipeline: RulePipeline): void {
  const run = new VirtualRun(pipeline.sources)
  const { events, watermarkLag, watermarks = [], flush = true } = testCase
  let greatest = Number.NEGATIVE_INFINITY
  const moveTo = (arrived: number) => {
    for (const { after, wm } of watermarks) if (after === arrived) run.advance(wm)
  }
  moveTo(0)
  for (const [position, event] of arrivals(testCase).entries()) {
    run.offer('events', { [soleKeyField]: 0, ...event.fields }, event.position)
    greatest = Math.max(greatest, event.fields.ts as number)
    if (watermarkLag !== undefined) run.advance(greatest - watermarkLag)
    moveTo(position + 1)
  }
  if (flush) run.advance(Number.POSITIVE_INFINITY)
  else if (watermarks.length === 0) run.advance(Math.max(...events.map(({ ts }) => ts as number)))
}

function arrivals({ events, orderTiesBy }: ConformanceCase) {
  const arrived = events.map((fields, position) => ({ fields, position }))
  if (orderTiesBy === undefined) return arrived
  const tie = (fields: Readonly<Record<string, unknown>>) => fields[orderTiesBy] as number
  return arrived.sort((a, b) => tie(a.fields) - tie(b.fields))
}

function differences(testCase: ConformanceCase, outcome: Outcome): string[] {
  const { rejected = false, fails = false, matches, timeouts, late, ordered } = testCase
  if (rejected) return outcome.rejected === null ? ['should be refused, but is accepted'] : []
  if (outcome.rejected !== null) return [`refused: ${outcome.rejected}`]
  if (fails) return outcome.failed === null ? ['should fail at run time, but does not'] : []
  if (outcome.failed !== null) return [`failed: ${outcome.failed}`]
  const found: string[] = []
  if (ordered === true) {
    if (!isDeepStrictEqual(outcome.matches, matches)) {
      found.push(`matches in order: expected ${text(matches)}, got ${text(outcome.matches)}`)
    }
  } else found.push(...bagDifference('match', matches ?? [], outcome.matches))
  if (timeouts !== undefined) found.push(...bagDifference('timeout', timeouts, outcome.timeouts))
  if (late !== undefined && !isDeepStrictEqual(outcome.late, late)) {
    found.push(`late: expected ${text(late)}, got ${text(outcome.late)}`)
  }
  return found
}

function bagDifference(
  what: string,
  expected: readonly CaseMatch[],
  actual: readonly CaseMatch[],
): string[] {
  const left = actual.map(canonical)
  const missing = expected.map(canonical).filter((entry) => {
    const at = left.indexOf(entry)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  return [
    ...missing.map((entry) => `missing ${what} ${entry}`),
    ...left.map((entry) => `unexpected ${what} ${entry}`),
  ]
}

function canonical(match: CaseMatch): string {
  return text(Object.fromEntries(Object.entries(match).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function text(value: unknown): string {
  return JSON.stringify(value)
}
