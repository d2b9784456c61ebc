import { expect, test } from 'vitest'
import { Duration, Timestamp } from '../../src/expression/value.ts'
import { answer, type Situation } from './harness.ts'

const situation: Situation = {
  steps: ['a', 'b', 'c'],
  taken: [
    { step: 'a', event: { amount: 1, ip: 'x', loc: { lat: 0, lon: 0 } }, at: 1000 },
    { step: 'b', event: { amount: 10, rate: 2, ip: 'p' }, at: 2000 },
    { step: 'b', event: { amount: null, rate: 3, ip: 'q' }, at: 3000 },
    { step: 'b', event: { amount: 30, rate: 4, ip: 'p', tags: ['t'] }, at: 4000 },
  ],
  event: { amount: 5, loc: { lat: 0, lon: 1 }, a: 'hidden', key: 'k' },
  at: 10_000,
  names: { key: 'K', total: 7, window: { start: new Timestamp(0) } },
}

const cases: readonly [string, unknown][] = [
  ['b.amount', 30],
  ['b[0].amount', 10],
  ['b[2].ip', 'p'],
  ['b[3].ip', undefined],
  ['b[-1].rate', 4],
  ['b[a.amount].rate', 3],
  ['amount + a.amount', 6],
  ['event.a', 'hidden'],
  ['a.loc.lat', 0],
  ['a.loc["lon"]', 0],
  ['c.amount', undefined],
  ['has(c)', false],
  ['has(b) && has(b.tags) && !has(b[0].tags)', true],
  ['sum(b.amount)', 40],
  ['avg(b.amount)', 20],
  ['min(b.amount)', 10],
  ['max(b.amount)', 30],
  ['stddev(b.rate)', Math.sqrt(2 / 3)],
  ['first(b.ip)', 'p'],
  ['last(b.ip)', 'p'],
  ['first(b).rate', 2],
  ['last(b).rate', 4],
  ['count(b)', 3],
  ['count(b.amount)', 2],
  ['distinct(b.ip)', 2],
  ['size(b) + b.size() + size(c)', 6],
  ['sum(c.amount)', 0],
  ['count(c)', 0],
  ['avg(c.amount)', undefined],
  ['sum(b.ip)', undefined],
  ['b.all(e, e.rate > 1)', true],
  ['b.all(e, e.amount > 5)', undefined],
  ['b.exists(e, e.rate == rate || e.ip == "q")', true],
  ['b.exists_one(e, e.ip == "q")', true],
  ['sum(b.map(e, e.rate * 2))', 18],
  ['sum(b.map(e, e.amount == null, e.rate))', 3],
  ['b.filter(e, e.ip == "p").map(e, e.rate)', [2, 4]],
  ['size(b.filter(e, e.ip == "p"))', 2],
  ['b.filter(e, e.ip == "p")[0].rate', 2],
  ['b.filter(e, e.amount > 5).size()', undefined],
  ['b.map(e, a.amount + e.rate + amount)', [8, 9, 10]],
  ['a[0] == {"amount": 1, "ip": "x", "loc": {"lat": 0, "lon": 0}}', true],
  ['c == []', true],
  ['a == [a[0]]', true],
  ['elapsed(a, b)', new Duration(3000)],
  ['elapsed(b[0], event)', new Duration(8000)],
  ['elapsed(a, event_time) < duration("10s")', true],
  ['elapsed(c, event)', undefined],
  ['round(distance_km(a.loc, loc))', 111],
  ['key', 'K'],
  ['event.key', 'k'],
  ['total + 1', 8],
  ['window.start', new Timestamp(0)],
]

test('a step stands for the events it took', () => {
  expect(cases.map(([text]) => [text, answer(text, situation)])).toStrictEqual(cases)
})

test('without a current event, bare fields are those of the last event taken', () => {
  const { event: _, at: __, ...afterwards } = situation
  const answers = ['rate', 'event_time', 'stream', 'event.ip'].map((text) =>
    answer(text, afterwards),
  )
  expect(answers).toStrictEqual([4, new Timestamp(4000), 's', 'p'])
})
