import { describe, expect, test } from 'vitest'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { MetricGroup } from '../../src/metrics.ts'
import type { ExpressionErrorReport } from '../../src/rule/expression-errors.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { compileRules } from '../../src/rule/rule-pipeline.ts'
import { VirtualRun } from '../../src/runtime/virtual-run.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'

/** What is told at first, and what is known at the end, a line each; and the counter's value. */
function errorsOf(text: string, events: readonly object[]) {
  const { rules, problems } = loadCheckedRules(
    text.split('\n---\n').map((document, index) => ({ path: `r${index}.yaml`, text: document })),
  )
  expect(problems).toEqual([])
  const metrics = new MetricGroup()
  const told: ExpressionErrorReport[] = []
  const pipeline = compileRules(rules, {
    streams: new Map([['s', { field: ['ts'], unit: 's', watermarks: defaultWatermarkStrategy }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    metrics,
    onExpressionError: (report) => told.push(report),
    sideOutput: () => {},
    alerts: { alert() {}, suppressed() {}, droppedMatches() {}, refusedEvent() {} },
  })
  const run = new VirtualRun(pipeline.sources)
  for (const [index, event] of events.entries())
    run.offer('s', { ts: index, k: 1, ...event }, index)
  run.advance(Number.POSITIVE_INFINITY)
  const counts = Object.fromEntries([...metrics.snapshot()].filter(([, count]) => count > 0))
  return { told: told.map(line), known: pipeline.expressionErrors().map(line), counts }
}

function line(report: ExpressionErrorReport): string {
  const { rule, place, expression, reasons, location, stream, partition, offset, count } = report
  const at = `${location.file}:${location.line}:${location.column}`
  const position = `${stream}/${partition}/${offset}`
  return `${count} ${rule} ${place} [${expression}] ${at} ${position} ${reasons.join(', ')}`.trimEnd()
}

const head = 'id: r\nfrom: s\nby: k\n'

describe('a condition without a value is told of', () => {
  test('once, with its part, place and event; the count goes on', () => {
    const rule = `${head}detect:
  event:
    match: { required: [n] }
    where: n > 1 && size(name) > 2
`
    const events = [{ n: 2, name: 'abc' }, { n: 2 }, { n: 0 }, { n: 3, name: 7 }, { n: 4 }]
    expect(errorsOf(rule, events)).toEqual({
      told: ['1 r step event [size(name) > 2] r0.yaml:7:21 s/0/1 name is missing'],
      known: ['3 r step event [size(name) > 2] r0.yaml:7:21 s/0/1 name is missing'],
      counts: { 'expression_errors.r': 3 },
    })
  })

  test('in each place that has one', () => {
    const rule = `${head}detect:
  within: 1h
  sequence:
    - { step: a, where: n == 1, times: { min: 1 }, until: stop > 1 }
    - { absent: x, where: bad > a.n }
    - { step: b, where: "m > a[0].n" }
  cancelled_by: { where: off > 1 }
exceptions: [{ name: own, where: b.own > 1 }]
`
    const fine = { stop: 0, bad: 0, off: 0, m: 0 }
    const events = [{ ...fine, n: 1 }, { n: 2 }, { ...fine, n: 3, m: 'x' }, { ...fine, n: 3, m: 9 }]
    const { told, known } = errorsOf(rule, events)
    const places = (lines: string[]) =>
      lines.map((each) => each.split(' ').slice(2).join(' ')).sort()
    expect(places(told)).toEqual([
      'absent x [bad > a.n] r0.yaml:8:27 s/0/1 bad is missing',
      'cancelled_by [off > 1] r0.yaml:10:26 s/0/1 off is missing',
      'exception own [b.own > 1] r0.yaml:11:34 s/0/3',
      'step b [m > a[0].n] r0.yaml:9:26 s/0/1 m is missing',
      'until of a [stop > 1] r0.yaml:7:59 s/0/1 stop is missing',
    ])
    expect(places(known)).toEqual(places(told))
  })

  test('of types that do not go together', () => {
    const rule = `${head}detect:
  within: 1h
  sequence: [{ step: a, where: n == 1 }, { step: b, where: m > a.m }]
`
    expect(
      errorsOf(rule, [
        { n: 1, m: 'x' },
        { n: 2, m: 5 },
      ]).told,
    ).toEqual(['1 r step b [m > a.m] r0.yaml:6:60 s/0/1 m is a number, a.m is a text'])
  })
})

describe('an error of the filter', () => {
  const rule = `${head}filter: f > 1
detect:
  within: 1h
  sequence: [{ step: a }, { step: b, where: n > 1 }]
`

  test('is the filter’s, and of no step', () => {
    expect(errorsOf(rule, [{ n: 2 }, { n: 2 }])).toEqual({
      told: ['1 r filter [f > 1] r0.yaml:4:9 s/0/0 f is missing'],
      known: ['2 r filter [f > 1] r0.yaml:4:9 s/0/0 f is missing'],
      counts: { 'expression_errors.r': 2 },
    })
  })

  test('does not hide one of a step that comes later', () => {
    expect(errorsOf(rule, [{ n: 2 }, { f: 2 }]).known).toEqual([
      '1 r step b [n > 1] r0.yaml:7:45 s/0/1 n is missing',
      '1 r filter [f > 1] r0.yaml:4:9 s/0/0 f is missing',
    ])
  })
})

test('rules that share a predicate are told of each, a rule that has it twice once', () => {
  const rule = (id: string) => `id: ${id}\nfrom: s\nby: k\ndetect:
  within: 1h
  sequence: [{ step: a, where: n > 1 }, { step: b, where: n > 1 }]
`
  const { known, counts } = errorsOf(`${rule('one')}---\n${rule('two')}`, [{}, {}])
  expect([known, counts]).toEqual([
    [
      '2 one step a [n > 1] r0.yaml:6:32 s/0/0 n is missing',
      '2 two step a [n > 1] r1.yaml:6:32 s/0/0 n is missing',
    ],
    { 'expression_errors.one': 2, 'expression_errors.two': 2 },
  ])
})
