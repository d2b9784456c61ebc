import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import type { CheckedRule, RunningJob } from '../../src/index.ts'
import { MetricGroup } from '../../src/metrics.ts'
import { compileRules, type RulePipeline } from '../../src/rule/rule-pipeline.ts'
import { VirtualRun } from '../../src/runtime/virtual-run.ts'
import type { Alert } from '../../src/stream/alert.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
import { memorySource } from '../harness/memory-source.ts'
import { checked, everyEvent, runSplits } from '../harness/split-run.ts'

const outOfOrdernessMs = 2000

interface CardEvent {
  readonly ts: number
  readonly k: string
  readonly n: number
  readonly m: number
}

/** Rules that are there all the time: of every kind, with skipping, waiting, dedupe and time-outs. */
const staying = [
  ruleOf('strict', '[{ step: a, where: n > 5 }, { step: b, contiguity: strict, where: n < a.n }]'),
  ruleOf(
    'rising',
    '[{ step: a, where: n > 2 }, { step: b, times: { min: 1 }, where: "n > a.n" }, { step: c, where: n < 2 }]',
    '  after_match: skip_past_last\n  emit_order: start',
  ),
  ruleOf(
    'silent',
    '[{ step: a, where: n == 3 }, { absent: b, where: n == 4 }]',
    '',
    'on_timeout: { title: ran out }\nalert: { dedupe: { by: [k], for: 5s } }',
  ),
]

const noSkip = '  after_match: no_skip'

/** Rules that come and go, some on fields and keys that no other reads. */
const passing = [
  ruleOf('pair', '[{ step: a, where: n > 4 }, { step: b, where: n > 4 }]', noSkip),
  ruleOf('other field', '[{ step: a, where: m > 4 }, { step: b, where: m > a.m }]', noSkip),
  ruleOf(
    'loop',
    '[{ step: a, where: n < 3, times: 2 }, { step: b, where: "n > 6 && m > 1" }]',
    noSkip,
  ),
  ruleOf('other key', '[{ step: a, where: n > 4 }, { step: b, where: n < 4 }]', noSkip, '', 'm'),
]

describe('rules that are replaced while they run', () => {
  it('are refused by a job that has ended', async () => {
    let job: RunningJob | undefined
    const onStarted = (started: RunningJob) => {
      job = started
    }
    await runSplits({ s: { source: memorySource([[[{ ts: 1, k: 'a' }]]]) } }, { onStarted })
    await expect(job?.replaceRules(everyEvent)).rejects.toThrow('the job has ended')
  })

  it('leaves the alerts of rules that stay as they are', () => {
    fc.assert(
      fc.property(events(), changes(), (given, replaced) => {
        const alone = alertsOf(staying, given, [])
        const beside = alertsOf(staying, given, replaced)
        expect(beside.filter(isStaying).map(identity)).toStrictEqual(alone.map(identity))
      }),
      { numRuns: 150 },
    )
  })

  it('shows a new rule what comes after all that has been read', () => {
    fc.assert(
      fc.property(events(), fc.nat(39), fc.constantFrom(...passing), (given, at, rule) => {
        const seen = Math.max(-1, ...given.slice(0, at).map(({ ts }) => ts))
        // What it does not see is as if it belonged to somebody else.
        const unseen = given.map((event, index) =>
          event.ts <= seen ? { ...event, k: `${index}`, m: 100 + index, n: -1 } : event,
        )
        const expected = alertsOf([rule], unseen, []).map(identity)
        const found = alertsOf(staying, given, [{ at, rules: [...staying, rule] }])
        expect(found.filter((alert) => !isStaying(alert)).map(identity)).toStrictEqual(expected)
      }),
      { numRuns: 150 },
    )
  })

  it('lets a rule that is gone end with what it has open', () => {
    fc.assert(
      fc.property(events(), fc.nat(39), fc.constantFrom(...passing), (given, place, rule) => {
        const at = place % given.length
        const read = Math.max(-Infinity, ...given.slice(0, at).map(({ ts }) => ts))
        const watermark = read - outOfOrdernessMs - 1
        const expected = alertsOf([rule], given, []).filter(
          ({ steps }) => ([...steps.values()].flat()[0]?.timestamp ?? 0) <= watermark,
        )
        const found = alertsOf([...staying, rule], given, [{ at, rules: staying }])
        expect(found.filter((alert) => !isStaying(alert)).map(identity)).toStrictEqual(
          expected.map(identity),
        )
      }),
      { numRuns: 150 },
    )
  })

  it('keeps the state of a rule whose alerts change, and shows them as they are now', () => {
    const sequence = '[{ step: a, where: n == 1 }, { step: b, where: n == 2 }]'
    const before = ruleOf('edited', sequence, '', 'title: before')
    const after = ruleOf('edited', sequence, '', `title: "after \${{ a.m }}"`)
    const given = [
      { ts: 1000, k: 'x', n: 1, m: 7 },
      { ts: 2000, k: 'x', n: 2, m: 8 },
    ]
    const alerts = alertsOf([before], given, [{ at: 1, rules: [after] }])
    expect(alerts.map(({ title }) => title)).toStrictEqual(['after 7'])
  })

  it('goes on with a rule that comes back while something of it is open', () => {
    const rule = ruleOf('pair', '[{ step: a, where: n == 1 }, { step: b, where: n == 2 }]')
    const given = [
      { ts: 1000, k: 'x', n: 1, m: 0 },
      { ts: 4000, k: 'y', n: 1, m: 0 },
      { ts: 9000, k: 'y', n: 2, m: 0 },
      { ts: 9500, k: 'x', n: 2, m: 0 },
    ]
    const alerts = alertsOf([rule], given, [
      { at: 2, rules: [] },
      { at: 3, rules: [rule] },
    ])
    expect(alerts.map(({ by }) => [...by.values()])).toStrictEqual([['x']])
  })

  it('forgets a rule without a time limit at once, also when it comes back', () => {
    const [rule] = checked(
      'id: endless\nfrom: s\nby: k\ndetect:\n  unbounded: true\n' +
        '  sequence: [{ step: a, where: n == 1 }, { step: b, where: n == 2 }]\n',
    ) as [CheckedRule]
    const given = [
      { ts: 1000, k: 'x', n: 1, m: 0 },
      { ts: 5000, k: 'z', n: 5, m: 0 },
      { ts: 9000, k: 'x', n: 2, m: 0 },
    ]
    expect(alertsOf([rule], given, []).length).toBe(1)
    const replaced = [
      { at: 2, rules: [] },
      { at: 2, rules: [rule] },
    ]
    expect(alertsOf([rule], given, replaced)).toStrictEqual([])
  })

  it('gives the place of a rule that is over to another', () => {
    const given = Array.from({ length: 60 }, (_, index) => ({
      ts: index * 20_000,
      k: 'x',
      n: index % 2,
      m: 0,
    }))
    const edits = given.map((_, at) => ({
      at,
      rules: [
        ...staying,
        ruleOf('edited', `[{ step: a, where: n == ${at} }, { step: b, where: n == 1 }]`),
      ],
    }))
    const { pipeline } = run(staying, given, edits)
    const patterns = pipeline.operators.map(({ layout }) => layout.rules.length)
    expect(patterns).toStrictEqual([staying.length + 3])
  })
})

interface Change {
  /** Before the event of this index. */
  readonly at: number
  readonly rules: readonly CheckedRule[]
}

function alertsOf(
  rules: readonly CheckedRule[],
  given: readonly CardEvent[],
  replaced: readonly Change[],
): Alert[] {
  return run(rules, given, replaced).alerts
}

function run(
  rules: readonly CheckedRule[],
  given: readonly CardEvent[],
  replaced: readonly Change[],
): { alerts: Alert[]; pipeline: RulePipeline } {
  const alerts: Alert[] = []
  const watermarks = { ...defaultWatermarkStrategy, outOfOrdernessMs }
  const pipeline = compileRules(rules, {
    streams: new Map([['s', { field: ['ts'], unit: 'ms', watermarks }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    alerts: {
      alert: (alert) => alerts.push(alert),
      suppressed: () => undefined,
      droppedMatches: () => undefined,
      refusedEvent: () => undefined,
    },
    sideOutput: () => undefined,
    metrics: new MetricGroup(),
    onExpressionError: () => undefined,
  })
  const virtual = new VirtualRun(pipeline.sources)
  for (const [offset, event] of given.entries()) {
    for (const change of replaced) if (change.at === offset) pipeline.replaceRules(change.rules)
    virtual.offer('s', event, offset)
  }
  virtual.advance(Infinity)
  return { alerts, pipeline }
}

function ruleOf(id: string, sequence: string, detect = '', more = '', by = 'k'): CheckedRule {
  const text = `id: ${id.replace(' ', '-')}\nfrom: s\nby: ${by}\n${more}\ndetect:\n  within: 10s\n  sequence: ${sequence}\n${detect}\n`
  return checked(text)[0] as CheckedRule
}

function isStaying({ rule }: Alert): boolean {
  return staying.some(({ rule: { id } }) => id === rule)
}

function identity({ id, eventTime, rule, title, steps }: Alert) {
  return {
    id,
    eventTime,
    rule,
    title,
    steps: [...steps].map(([step, { length }]) => [step, length]),
  }
}

function events() {
  const event = fc.record({
    late: fc.nat(outOfOrdernessMs + 500),
    k: fc.constantFrom('x', 'y'),
    n: fc.nat(8),
    m: fc.nat(8),
  })
  return fc.array(event, { minLength: 10, maxLength: 40 }).map((drawn) =>
    drawn.map(
      ({ late, ...rest }, index): CardEvent => ({
        ts: 10_000 + index * 700 - late,
        ...rest,
      }),
    ),
  )
}

function changes() {
  const change = fc.record({ at: fc.nat(39), also: fc.subarray(passing), first: fc.boolean() })
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((drawn) =>
    drawn.map(({ at, also, first }) => ({
      at,
      rules: first ? [...also, ...staying] : [...staying, ...also],
    })),
  )
}
