import { expect, test } from 'vitest'
import { Duration, Timestamp } from '../../src/expression/value.ts'
import { answer, type Situation } from './harness.ts'

/** Stands for CEL's error. */
const error = undefined

function table(name: string, situation: Situation, cases: readonly [string, unknown][]): void {
  test(name, () => {
    const answers = cases.map(([text]) => [text, answer(text, situation)])
    expect(answers).toStrictEqual(cases)
  })
}

table('there is one number type', { event: { n: 7 } }, [
  ['n + 1', 8],
  ['n / 2', 3.5],
  ['n % 4', 3],
  ['n % 2.5', 2],
  ['n / 0', Number.POSITIVE_INFINITY],
  ['-n / 0', Number.NEGATIVE_INFINITY],
  ['0 / 0 == 0 / 0', false],
  ['1 == 1.0', true],
  ['1u + 1', 2],
  ['n == 7.0 && n >= 7 && n < 8', true],
  ['int(7.9) + int(-7.9)', 0],
  ['int(n / 0)', error],
  ['0x10', 16],
  ['double("1.5") + int("2")', 3.5],
  ['abs(-2) + floor(1.7) + ceil(1.2) + round(2.5) + round(-2.5)', 5],
])

table('a missing field and a wrong type are errors', { event: { a: 1, s: 'x', z: null } }, [
  ['missing', error],
  ['missing == 1', error],
  ['missing != 1', error],
  ['a.b', error],
  ['a < s', error],
  ['s > 1', error],
  ['!s', error],
  ['s && true', error],
  ['a + s', error],
  ['-s', error],
  ['s == 1', false],
  ['s != 1', true],
  ['a == "1"', false],
  ['z == null', true],
  ['a == null', false],
  ['null == null', true],
  ['z < 1', error],
])

table('&& and || absorb errors on both sides', { event: { t: true, f: false } }, [
  ['x || t', true],
  ['t || x', true],
  ['x || f', error],
  ['f || x', error],
  ['x && f', false],
  ['f && x', false],
  ['x && t', error],
  ['t && x', error],
  ['x > 1 && f && t', false],
  ['(x || t) && !(x && f)', true],
  ['x ? 1 : 2', error],
  ['t ? 1 : x', 1],
  ['f ? x : 2', 2],
  ['t ? x : 2', error],
])

table('has() asks without an error', { event: { a: { b: null }, n: 1, l: [5] } }, [
  ['has(a)', true],
  ['has(a.b)', true],
  ['has(a.c)', false],
  ['has(x)', false],
  ['has(x.y)', false],
  ['has(n.y)', false],
  ['has(event.n)', true],
  ['has(l[0]) && !has(l[1])', true],
])

table('lists and maps', { event: { l: [1, 'a', null], m: { k: 1, 'x-y': 2 }, i: 1 } }, [
  ['"a" in l', true],
  ['1.0 in l', true],
  ['2 in l', false],
  ['null in l', true],
  ['"k" in m', true],
  ['"toString" in m', false],
  ['1 in m', false],
  ['1 in i', error],
  ['l[i]', 'a'],
  ['l[3]', error],
  ['l[-1]', error],
  ['l[0.5]', error],
  ['m["x-y"]', 2],
  ['m[l[1]]', error],
  ['size(l) + m.size() + size("a\u{1f600}")', 7],
  ['[1, 2] + [3] == [1, 2, 3]', true],
  ['{"a": [1]} == {"a": [1.0]}', true],
  ['{"a": i}.a', 1],
  ['{"a": 1, "a": 2}', error],
  ['[x]', error],
  ['[1, 2, 3].filter(e, e > 1).map(e, e * 2)', [4, 6]],
  ['[1, 2, 3].map(e, e > 1, e * 2)', [4, 6]],
  ['[1, 2].all(e, e > 0) && [1, 2].exists(e, e == 2) && [1, 2].exists_one(e, e == 2)', true],
  ['l.all(e, e > 0)', error],
  ['l.exists(e, e == "a" || e > 5)', true],
  ['[].all(e, e) && ![].exists(e, e)', true],
  ['m.exists(k, m[k] == 2)', true],
  ['[[1, 2], [3]].map(r, r.map(e, e + size(r)))', [[3, 4], [4]]],
  ['sum([1, 2]) + avg([2, 4]) + min([3, 1]) + max([3, 1]) + count([1]) + stddev([1, 3])', 12],
  ['min(3, 1, 2) + max(i, 5)', 6],
  ['distinct([1, 1.0, "1", [1], [1]])', 3],
  ['sum(["a"])', error],
  ['avg([])', error],
])

table('texts', { event: { s: 'Card-42', e: '\u{1f600}', r: '\ufffd' } }, [
  ['s.contains("rd-") && s.startsWith("Card") && s.endsWith("42")', true],
  ['s.lower() + upper(s) + s.lowerAscii()', 'card-42CARD-42card-42'],
  ['s.matches("^Card-[0-9]+$")', true],
  ['s.matches("^Card") && s.matches("42$") && s.matches("d-4") && s.matches("^Card-42$")', true],
  ['s.matches("ard") && !s.matches("^ard") && !s.matches("Card$") && !s.matches("a.d$")', true],
  ['matches(s, "card") || s.matches(s)', true],
  ['s.matches(s + "(")', error],
  ['e > r', true],
  ['"a" < "b" && "a" < "aa" && "B" < "a"', true],
  ['s.split("-")', ['Card', '42']],
  ['s.substring(0, 4) + s.replace("-", "$&") + string(1.50) + string(true)', 'CardCard$&421.5true'],
  ['s.substring(9)', error],
  ['["a", "b"].join("+")', 'a+b'],
  ['s.indexOf("4")', 5],
  ['missing.contains("a")', error],
  ['cidr_contains("10.0.0.0/8", "10.200.3.4")', true],
  ['cidr_contains("10.0.0.0/8", "11.0.0.1")', false],
  ['cidr_contains("192.168.1.128/25", "192.168.1.127")', false],
  ['cidr_contains("2001:db8::/33", "2001:db8:7fff::1")', true],
  ['cidr_contains("2001:db8::/33", "2001:db8:8000::1")', false],
  ['cidr_contains("10.0.0.0/8", "::ffff:10.1.1.1")', true],
  ['cidr_contains("0.0.0.0/0", "1.2.3.4") && !cidr_contains("0.0.0.0/0", "::1")', true],
  ['cidr_contains("10.0.0.0/33", "10.0.0.1")', error],
  ['cidr_contains("10.0.0.0/8", "10.0.0.256")', error],
])

// 2026-07-01T22:30:15.250Z, a Wednesday.
const summerNight = Date.UTC(2026, 6, 1, 22, 30, 15, 250)

table('times', { event: { iso: '2026-01-31T00:00:00+02:00' }, at: summerNight, stream: 'logins' }, [
  ['event_time', new Timestamp(summerNight)],
  ['stream', 'logins'],
  ['event_time.getHours()', 22],
  ['event_time.getHours("Europe/Berlin")', 0],
  ['event_time.getDate("Europe/Berlin")', 2],
  ['event_time.getDayOfWeek("Europe/Berlin")', 4],
  ['event_time.getHours("-03:30")', 19],
  ['event_time.getMinutes("Asia/Kolkata")', 0],
  ['event_time.getFullYear() * 100 + event_time.getMonth()', 202606],
  ['event_time.getDayOfMonth() + event_time.getDayOfYear()', 181],
  ['event_time.getSeconds() * 1000 + event_time.getMilliseconds()', 15250],
  ['timestamp(iso) == timestamp("2026-01-30T22:00:00Z")', true],
  ['timestamp("1600-02-29T00:00:00Z").getDayOfYear()', 59],
  ['timestamp(iso) < event_time', true],
  ['timestamp(0) + duration("1h30m") == timestamp("1970-01-01T01:30:00Z")', true],
  ['event_time - timestamp(iso) > duration("100d")', true],
  ['duration("1.5h") == duration("90m")', true],
  ['hours(duration("90m")) + minutes(duration("90s")) + seconds(duration("500ms"))', 3.5],
  ['duration("90m").getHours() + duration("90m").getMinutes()', 91],
  ['elapsed(timestamp("2026-07-01T22:00:00Z"), event)', new Duration(1_815_250)],
  ['timestamp("2026-02-30T00:00:00Z" + "")', error],
  ['string(timestamp(1.5)) + string(duration("2h"))', '1970-01-01T00:00:01.500Z7200s'],
  ['iso > event_time', error],
])

table('distances', { event: { p: { lat: 48.85, lon: 2.35 }, q: { lat: 35.68, lon: 139.69 } } }, [
  ['round(distance_km(p, q))', 9714],
  ['distance_km(p, p)', 0],
  ['distance_km(p, {"lat": 1})', error],
])

const devices = new Map<unknown, unknown>([
  ['d1', { owner: 'ann' }],
  [7, true],
])
table(
  'tables',
  {
    event: { id: 'd1' },
    tables: { devices: { row: (key) => devices.get(key), has: (key) => devices.has(key) } },
  },
  [
    ['tables.devices[id].owner', 'ann'],
    ['tables["devices"]["d2"].owner', error],
    ['has(tables.devices[id].owner) && !has(tables.devices["d2"])', true],
    ['id in tables.devices && 7 in tables.devices', true],
    ['"7" in tables.devices', false],
    ['missing in tables.devices', error],
    ['id in tables.unknown', false],
  ],
)
