// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { describe, expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { runRuleTests } from '../../src/rule/rule-test-runner.ts'

/** Event times, keys, titles and fields of a rule's alerts over events of its one test. */
function alertsOf(rule: object, events: readonly object[]): unknown[] {
  const tests = [{ name: 't', events, end: '1h', expect: [] }]
  const text = JSON.stringify({ id: 'r', from: 's', by: 'card', ...rule, tests })
  const { rules, problems } = loadCheckedRules([{ path: 'r.json', text }])
  expect(problems).toEqual([])
  const [result] = runRuleTests(rules[0]!)
  return result!.alerts.map(({ atMs, by, title, fields }) => ({ atMs, by, title, fields }))
}

function at(seconds: number, event: object, from?: string): object {
  return { at: `${seconds}s`, event, ...(from === undefined ? {} : { from }) }
}

const twoCards = [
  at(0, { card: 'c1', n: 1 }),
  at(1, { card: 'c2', n: 1 }),
  at(2, { card: 'c1', n: 2 }),
  at(3, { card: 'c2', n: 2 }),
]

const pair = [
  { step: 'a', where: 'n == 1' },
  { step: 'b', where: 'n == 2' },
]

describe('`key` is the value of the key', () => {
  const ofFirstCard = [{ atMs: 2000, by: { card: 'c1' }, title: 'r', fields: {} }]

  test.each([
    ['where', { sequence: [pair[0], { step: 'b', where: 'n == 2 && key == "c1"' }] }],
    [
      'where beside a step',
      { sequence: [pair[0], { step: 'b', where: 'key == "c1" && n > a.n' }] },
    ],
    ['cancelled_by', { sequence: pair, cancelled_by: { where: 'n == 2 && key != "c1"' } }],
  ])('in %s', (_, detect) => {
    expect(alertsOf({ detect: { within: '1m', ...detect } }, twoCards)).toEqual(ofFirstCard)
  })

  test('in filter', () => {
    const rule = { filter: 'key == "c1"', detect: { within: '1m', sequence: pair } }
    expect(alertsOf(rule, twoCards)).toEqual(ofFirstCard)
  })

  test('in event', () => {
    const rule = { detect: { event: { where: 'key == "c1" && n == 2' } } }
    expect(alertsOf(rule, twoCards)).toEqual(ofFirstCard)
  })

  test('in absent', () => {
    const absent = { absent: 'x', where: 'key == "c2" && n == 5' }
    const events = [
      ...twoCards.slice(0, 2),
      at(1, { card: 'c1', n: 5 }),
      at(1, { card: 'c2', n: 5 }),
    ]
    const rule = { detect: { within: '1m', sequence: [pair[0], absent, pair[1]] } }
    expect(alertsOf(rule, [...events, ...twoCards.slice(2)])).toEqual(ofFirstCard)
  })

  test('in until', () => {
    const loop = { step: 'a', times: { min: 1 }, until: 'key == "c1" && n == 2', where: 'n < 9' }
    const sequence = [loop, { step: 'b', where: 'n == 9' }]
    const rule = {
      detect: { within: '1m', sequence, after_match: 'no_skip' },
      alert: { fields: { taken: 'a.map(e, e.n)' } },
    }
    const events = [1, 2, 9].flatMap((n, second) =>
      ['c1', 'c2'].map((card) => at(second, { card, n })),
    )
    const taken = alertsOf(rule, events).map((alert) => {
      const { by, fields } = alert as { by: { card: string }; fields: { taken: number[] } }
      return `${by.card} ${fields.taken.join()}`
    })
    // That of c1 ends before its second event; that of c2 goes on.
    expect(taken.sort()).toEqual(['c1 1', 'c2 1', 'c2 1,2', 'c2 2'])
  })

  test('in title, fields, exceptions and dedupe', () => {
    const rule = {
      title: 'of ${{ key }}',
      detect: { event: {} },
      alert: { fields: { card: 'key', is: 'key == card' }, dedupe: { by: ['key'], for: '1m' } },
      exceptions: [{ name: 'own', where: 'key == "c2"' }],
    }
    expect(alertsOf(rule, twoCards)).toEqual([
      { atMs: 0, by: { card: 'c1' }, title: 'of c1', fields: { card: 'c1', is: true } },
    ])
  })

  test('in on_timeout', () => {
    const detect = { within: '1m', sequence: [pair[0], { step: 'b', where: 'n == 9' }] }
    const rule = { detect, on_timeout: { title: '${{ key }} fell silent' } }
    expect(alertsOf(rule, [at(0, { card: 7, n: 1 })])).toEqual([
      { atMs: 60_000, by: { card: 7 }, title: '7 fell silent', fields: {} },
    ])
  })
})

describe('of a key with several parts, `key` is their list', () => {
  test('in order of writing', () => {
    const rule = {
      by: ['shop.id', 'card'],
      detect: { event: { where: 'key == [1, "c1"] && key[1] == card' } },
      alert: { fields: { key: 'key' } },
    }
    const events = [at(0, { shop: { id: 1 }, card: 'c1' }), at(1, { shop: { id: 2 }, card: 'c1' })]
    expect(alertsOf(rule, events)).toEqual([
      { atMs: 0, by: { 'shop.id': 1, card: 'c1' }, title: 'r', fields: { key: [1, 'c1'] } },
    ])
  })

  test('a list of one part is that part', () => {
    const rule = { by: ['card'], detect: { event: { where: 'key == "c1" && n == 2' } } }
    expect(alertsOf(rule, twoCards)).toHaveLength(1)
  })
})

describe("`key` is read by the stream's own path", () => {
  const streams = {
    from: ['auth', 'payments'],
    by: { user: { auth: 'user_id', payments: 'account.owner' } },
  }
  const events = [
    at(0, { user_id: 'u1' }, 'auth'),
    at(1, { account: { owner: 'u1' } }, 'payments'),
    at(2, { user_id: 'u2' }, 'auth'),
    at(3, { account: { owner: 'u2' } }, 'payments'),
  ]

  test('where a condition is of any stream', () => {
    const rule = { ...streams, detect: { event: { where: 'key == "u1"' } } }
    expect(alertsOf(rule, events)).toMatchObject([{ atMs: 0 }, { atMs: 1000 }])
  })

  test('where a step is of one', () => {
    const sequence = [
      { step: 'login', from: 'auth', where: 'key == "u2"' },
      { step: 'transfer', from: 'payments', where: 'key == login.user_id' },
    ]
    const rule = {
      ...streams,
      detect: { within: '1m', sequence },
      alert: { fields: { key: 'key' } },
    }
    expect(alertsOf(rule, events)).toEqual([
      { atMs: 3000, by: { user: 'u2' }, title: 'r', fields: { key: 'u2' } },
    ])
  })
})
