import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPlainDecoder } from '../../src/decode/plain-decoder.ts'
import { MetricGroup } from '../../src/metrics.ts'
import { readEventLines } from '../../src/rule/event-lines.ts'
import { explainEvents } from '../../src/rule/explain-events.ts'
import { explainedRunText } from '../../src/rule/explained-run-text.ts'
import type { CheckedRule } from '../../src/rule/expression-check.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { compileRules, type StreamTime } from '../../src/rule/rule-pipeline.ts'
import { VirtualRun } from '../../src/runtime/virtual-run.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'

const time: StreamTime = { field: ['ts'], unit: 's', watermarks: defaultWatermarkStrategy }

function load(text: string): CheckedRule[] {
  const { rules, problems } = loadCheckedRules([{ path: 'r.yaml', text }])
  expect(problems).toEqual([])
  return [...rules]
}

function timesOf(checked: CheckedRule): Map<string, StreamTime> {
  return new Map(checked.rule.from.map((stream) => [stream, time]))
}

/** Explains events `[seconds, kind, more]` of key 1. */
function explain(
  rule: string,
  events: readonly (readonly [number, string, Record<string, unknown>?])[],
  until?: number,
) {
  const [checked] = load(`id: r\nfrom: s\nby: k\n${rule}`)
  const given = events.map(([ts, kind, more]) => ({
    stream: 's',
    text: JSON.stringify({ ts, k: 1, kind, ...more }),
  }))
  const options = { streams: timesOf(checked!), ...(until === undefined ? {} : { until }) }
  return explainEvents(checked!, given, options)
}

/** What it took and what became of it, for each partial match of the only key. */
function outcomes(...args: Parameters<typeof explain>) {
  const { keys } = explain(...args)
  expect(keys.length).toBe(1)
  return keys[0]?.paths.map(({ steps, outcome, waitedFor }) => ({ steps, outcome, waitedFor }))
}

const steps = (...items: string[]) =>
  `detect:\n  within: 10s\n  sequence:\n${items.map((item) => `    - { ${item} }\n`).join('')}`
const is = (name: string) => `where: 'kind == "${name}"'`
const pair = steps(`step: a, ${is('a')}`, `step: b, ${is('b')}`)

describe('what became of a partial match', () => {
  test('matched', () => {
    expect(
      outcomes(pair, [
        [0, 'a'],
        [1, 'b'],
      ]),
    ).toEqual([
      { steps: { a: [0], b: [1] }, outcome: { kind: 'matched', at: 1000 }, waitedFor: [] },
    ])
  })

  test('open, with what it waits for and until when', () => {
    expect(
      outcomes(pair, [
        [0, 'a'],
        [1, 'c'],
      ]),
    ).toEqual([{ steps: { a: [0] }, outcome: { kind: 'open', until: 10_000 }, waitedFor: ['b'] }])
    const unbounded = pair.replace('within: 10s', 'unbounded: true')
    expect(outcomes(unbounded, [[0, 'a']])?.[0]?.outcome).toEqual({ kind: 'open', until: null })
    const step = steps(`step: a, ${is('a')}`, `step: b, within: 3s, ${is('b')}`)
    expect(outcomes(step, [[0, 'a']])?.[0]?.outcome).toEqual({ kind: 'open', until: 3000 })
  })

  test('expired', () => {
    const expired = {
      steps: { a: [0] },
      outcome: { kind: 'expired', at: 10_000 },
      waitedFor: ['b'],
    }
    expect(
      outcomes(pair, [
        [0, 'a'],
        [10, 'b'],
      ]),
    ).toEqual([expired])
    expect(outcomes(pair, [[0, 'a']], 10_000)).toEqual([expired])
    expect(outcomes(pair, [[0, 'a']], 9999)?.[0]?.outcome.kind).toBe('open')
    expect(outcomes(pair, [[0, 'a']], Number.POSITIVE_INFINITY)).toEqual([expired])
  })

  test('ended by an absent step', () => {
    const rule = steps(`step: a, ${is('a')}`, `absent: x, ${is('x')}`, `step: b, ${is('b')}`)
    expect(
      outcomes(rule, [
        [0, 'a'],
        [1, 'c'],
        [2, 'x'],
        [3, 'b'],
      ]),
    ).toEqual([
      { steps: { a: [0] }, outcome: { kind: 'stopped', by: 2, step: 'x' }, waitedFor: ['b'] },
    ])
  })

  test('matched because nothing came that must be absent', () => {
    const rule = steps(`step: a, ${is('a')}`, `absent: x, ${is('x')}`)
    expect(
      outcomes(rule, [
        [0, 'a'],
        [5, 'c'],
      ]),
    ).toEqual([{ steps: { a: [0] }, outcome: { kind: 'open', until: 10_000 }, waitedFor: [] }])
    expect(
      outcomes(rule, [
        [0, 'a'],
        [10, 'x'],
      ])?.[0]?.outcome,
    ).toEqual({
      kind: 'matched',
      at: 10_000,
    })
  })

  test('ended by strict contiguity', () => {
    const rule = steps(`step: a, ${is('a')}`, `step: b, contiguity: strict, ${is('b')}`)
    expect(
      outcomes(rule, [
        [0, 'a'],
        [1, 'c'],
        [2, 'b'],
      ]),
    ).toEqual([{ steps: { a: [0] }, outcome: { kind: 'broken', by: 1 }, waitedFor: ['b'] }])
  })

  test('cancelled', () => {
    const rule = `${pair}  cancelled_by: { ${is('x')} }\n`
    expect(
      outcomes(rule, [
        [0, 'a'],
        [1, 'x'],
        [2, 'b'],
      ]),
    ).toEqual([{ steps: { a: [0] }, outcome: { kind: 'cancelled', by: 1 }, waitedFor: ['b'] }])
  })

  test('dropped by after_match', () => {
    expect(
      outcomes(pair, [
        [0, 'a'],
        [1, 'a'],
        [2, 'b'],
      ]),
    ).toEqual([
      { steps: { a: [1] }, outcome: { kind: 'skipped', at: 2000 }, waitedFor: ['b'] },
      { steps: { a: [0], b: [2] }, outcome: { kind: 'matched', at: 2000 }, waitedFor: [] },
    ])
    const kept = outcomes(`${pair}  after_match: no_skip\n`, [
      [0, 'a'],
      [1, 'a'],
      [2, 'b'],
    ])
    expect(kept?.map(({ outcome }) => outcome.kind)).toEqual(['matched', 'matched'])
  })

  test('complete, but held back by emit_order: start', () => {
    const rule = steps(`step: a, ${is('a')}`, `step: c, where: 'kind == "c" && n == a.n'`)
    const events = [
      [0, 'a', { n: 1 }],
      [1, 'a', { n: 2 }],
      [2, 'c', { n: 2 }],
    ] as const
    const run = outcomes(`${rule}  emit_order: start\n  after_match: skip_to_next\n`, events)
    expect(run?.map(({ steps: took, outcome }) => [took, outcome.kind])).toEqual([
      [{ a: [0] }, 'open'],
      [{ a: [1], c: [2] }, 'held'],
    ])
  })

  test('not begun', () => {
    expect(outcomes(pair, [[0, 'b']])).toEqual([
      { steps: {}, outcome: { kind: 'not_begun' }, waitedFor: ['a'] },
    ])
  })

  test('refused by limit', () => {
    const { keys } = explain(`${pair}  limit: 1\n`, [
      [0, 'a'],
      [1, 'a'],
      [2, 'b'],
    ])
    expect([keys[0]?.refused, keys[0]?.paths.length]).toEqual([[1], 1])
  })
})

describe('events that reached no partial match', () => {
  test('late, without time, without key, of another stream, no JSON: each with its reason', () => {
    const [checked] = load(`id: r\nfrom: s\nby: k\n${pair}`)
    const texts = ['{"ts":9,"k":1}', '{"ts":1,"k":1}', '{"k":1}', '{"ts":9}', '{']
    const events = [
      ...texts.map((text) => ({ stream: 's', text })),
      { stream: 'other', text: '{"ts":9,"k":1}' },
    ]
    const { leftOut, keys } = explainEvents(checked!, events, { streams: timesOf(checked!) })
    expect(leftOut.map(({ position, kind }) => [position, kind])).toEqual([
      [1, 'late'],
      [2, 'dead_letter'],
      [3, 'dead_letter'],
      [4, 'dead_letter'],
      [5, 'other_stream'],
    ])
    expect(leftOut[2]?.reason).toBe("key 'k' is missing")
    expect(keys.map(({ events: count }) => count)).toEqual([1])
  })

  test('hidden by the filter', () => {
    const { keys } = explain(`filter: 'ok == true'\n${pair}`, [
      [0, 'a', { ok: true }],
      [1, 'b', { ok: false }],
    ])
    expect([keys[0]?.filteredOut, keys[0]?.paths[0]?.nearMisses]).toEqual([[1], []])
  })

  test('suppressed alerts say by what', () => {
    const dedupe = `alert: { dedupe: { by: ["1"], for: 1h } }\n`
    const run = explain(`${pair}${dedupe}`, [
      [0, 'a'],
      [1, 'b'],
      [2, 'a'],
      [3, 'b'],
    ])
    expect([run.alerts.length, run.suppressed.map(({ by }) => by)]).toEqual([1, ['dedupe']])
  })
})

describe('near misses', () => {
  test('name the parts that did not hold, with what they read; the nearest first', () => {
    const rule = steps(
      `step: a, ${is('a')}`,
      `step: b, match: { properties: { n: { maximum: 9 } }, required: [n] }, where: 'kind == "b" && m != a.m && (n > 5 || big)'`,
    )
    const { keys } = explain(rule, [
      [0, 'a', { m: 'm1' }],
      [1, 'b', { m: 'm1', n: 12 }],
      [2, 'b', { m: 'm1', n: 7 }],
      [3, 'c', {}],
      [4, 'b', { m: 'm2', n: 3 }],
    ])
    expect(keys[0]?.paths[0]?.nearMisses).toEqual([
      {
        position: 4,
        step: 'b',
        tooLateMs: null,
        failed: [{ text: 'n > 5 || big', value: 'error', reads: { n: 3 }, missing: ['big'] }],
      },
      {
        position: 2,
        step: 'b',
        tooLateMs: null,
        failed: [
          { text: 'm != a.m', value: 'false', reads: { m: 'm1', 'a.m': 'm1' }, missing: [] },
        ],
      },
      {
        position: 1,
        step: 'b',
        tooLateMs: null,
        failed: [
          { text: 'n <= 9', value: 'false', reads: { n: 12 }, missing: [] },
          { text: 'm != a.m', value: 'false', reads: { m: 'm1', 'a.m': 'm1' }, missing: [] },
        ],
      },
    ])
  })

  test('tell of the event that came too late', () => {
    const { keys } = explain(pair, [
      [0, 'a'],
      [70, 'b'],
    ])
    expect(keys[0]?.paths[0]?.nearMisses).toEqual([
      { position: 1, step: 'b', failed: [], tooLateMs: 60_000 },
    ])
  })
})

const patternFile = join(import.meta.dirname, 'fixtures/patterns/patterns.yaml')
const patterns = load(readFileSync(patternFile, 'utf8'))
const kinds = ['a', 'b', 'c', 'd', 'order', 'payment', 'shipment', 'login', 'try', 'fail', 'stop']
const kindsOf = ({ rule }: CheckedRule) => {
  const named = kinds.filter((kind) => JSON.stringify(rule.document).includes(`\\"${kind}\\"`))
  return named.length === 0 ? kinds : [...named, 'other']
}

/** The engine's own answer: step → positions, as texts in order. */
function matchesOfEngine(checked: CheckedRule, events: readonly { ts: number }[]): string[] {
  const found: string[] = []
  const { sources } = compileRules([checked], {
    streams: timesOf(checked),
    createDecoder: createPlainDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    metrics: new MetricGroup(),
    onExpressionError: () => {},
    sideOutput: () => {},
    alerts: {
      alert: (alert) => {
        const taken = [...alert.steps].map(([name, list]) => [name, list.map((e) => e.offset)])
        found.push(JSON.stringify(Object.fromEntries(taken)))
      },
      suppressed: () => {},
      droppedMatches: () => {},
      refusedEvent: () => {},
    },
  })
  const run = new VirtualRun(sources)
  for (const [index, event] of events.entries()) {
    run.offer(checked.rule.from.at(-1) as string, event, index)
  }
  run.advance(Math.max(...events.map(({ ts }) => ts * 1000)))
  return found.sort()
}

test.each(patterns.map((checked) => ({ id: checked.rule.id, checked })))(
  '$id: explaining finds the matches that the engine finds',
  ({ checked }) => {
    const event = fc.record({
      gap: fc.constantFrom(0, 1, 20, 200),
      kind: fc.constantFrom(...kindsOf(checked), 'success', 'logout'),
      key: fc.constantFrom(1, 1, 2),
      amount: fc.constantFrom(1, 2, 2000),
      code: fc.constantFrom(1, 2),
    })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 30 }), (drawn) => {
        let ts = 0
        const events = drawn.map(({ gap, ...rest }) => {
          ts += gap
          return { ts, ...rest }
        })
        const stream = checked.rule.from.at(-1) as string
        const given = events.map((one) => ({ stream, text: JSON.stringify(one) }))
        const run = explainEvents(checked, given, { streams: timesOf(checked), until: ts * 1000 })
        const matched = run.keys.flatMap(({ paths }) =>
          paths
            .filter(({ outcome }) => outcome.kind === 'matched')
            .map((path) => JSON.stringify(path.steps)),
        )
        expect(matched.sort()).toEqual(matchesOfEngine(checked, events))
      }),
      { numRuns: 60, seed: 7 },
    )
  },
)

describe('lines of events', () => {
  test('are events of the only stream, or name theirs; positions are lines', () => {
    const [checked] = load(`id: r\nfrom: s\nby: k\n${pair}`)
    const text = '{"k":1,"n":12345678901234567890}\n\n{"stream":"t","event":{"k":2}}\n[1]\n'
    expect(readEventLines(text, checked!.rule)).toEqual({
      events: [
        { stream: 's', text: '{"k":1,"n":12345678901234567890}', position: 1 },
        { stream: 't', text: '{"k":2}', position: 3 },
      ],
      problems: [{ line: 4, message: 'expected a JSON object' }],
    })
  })

  test('must name their stream where the rule reads several', () => {
    const [checked] = load(`id: r\nfrom: [s, t]\nby: k\n${pair}`)
    expect(readEventLines('{"k":1}', checked!.rule).problems).toEqual([
      {
        line: 1,
        message: 'expected `{"stream": ..., "event": ...}`: the rule reads several streams',
      },
    ])
  })
})

test('a run is told in words', () => {
  const run = explain(pair, [
    [0, 'a'],
    [1, 'c'],
    [2, 'b'],
    [3, 'a'],
    [4, 'c', { k: null }],
  ])
  expect(explainedRunText(run, (at) => `${at} ms`)).toBe(
    [
      'k 1: 4 events',
      '  took a 0; b 2: matched at 2000 ms',
      '  took a 3: open, waits for b until 13000 ms',
      "event 4 is left out (dead_letter): key 'k' is null",
      'alert at 2000 ms: r',
      '',
    ].join('\n'),
  )
})
