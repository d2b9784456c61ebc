import { isCelError, run } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import { expect, test } from 'vitest'
import { answer } from './harness.ts'

const fields = {
  i: 3,
  j: 3,
  zero: 0,
  negative: -1,
  h: 'hello',
  d: 2.5,
  s: 'hello',
  e: '',
  t: true,
  f: false,
  z: null,
  l: [1, 2, 3],
  m: { a: 1, b: 'x' },
}

/**
 * Number literals are written as doubles: standard CEL has no `double + int`. The order of
 * strings beyond the basic plane is left out: the oracle orders UTF-16 units, CEL code points.
 */
const expressions = [
  ...combined(['i', 'd', 's', 't', 'z', 'l', 'm', 'j', 'h'], ['==', '!=', '<', '>=']),
  ...combined(['i', 'd', 's', 'l', 'zero', 'negative', 'h'], ['+', '-', '*', '/']),
  ...combined(['t', 'f', 'gone', 'i < 5.0', 's > i', 'm.c == 1.0'], ['&&', '||']),
  ...['t', 'f', 'gone', 'i > 1.0'].map((c) => `${c} ? i : d`),
  ...['t', 'f'].flatMap((c) => [`${c} ? gone : 1.0`, `${c} ? 1.0 : gone`]),
  ...['1.0 in l', '5.0 in l', '"a" in m', '"z" in m', '"x" in l', 'gone in l'],
  ...['has(m.a)', 'has(m.c)', '!has(m.a)', 'm.c', 'm.a', 'm["b"]', 'l[0.0]', 'm.a.b'],
  ...[
    'l.all(x, x > 0.0)',
    'l.exists(x, x > 2.0)',
    'l.exists_one(x, x > 2.0)',
    'l.exists(x, x > "a")',
  ],
  ...['l.exists(x, x == 2.0 || x > "a")', 'l.all(x, x < 2.0 && x > "a")', '[].all(x, gone)'],
  ...['l.map(x, x * 2.0) == [2.0, 4.0, 6.0]', 'l.filter(x, x != 2.0) == [1.0, 3.0]'],
  ...['l.map(x, x > 1.0, x) == [2.0, 3.0]', 'm.exists(k, k == "a")', 'l.map(x, gone) == []'],
  ...['s.contains("ell")', 's.startsWith("he")', 's.endsWith("lo")', 's.matches("l+o$")'],
  ...['s.matches("^h.*o$")', 's.matches("^hello$")', 's.matches("^hell")', 's.contains(i)'],
  ...['e == ""', 'e < s', 's + e == s', 'string(1.5) == "1.5"'],
  ...['double("1.5") == 1.5', '!t', '!gone', '-i', '-s', 'z == null', 'i == null', 's != null'],
  ...['{"a": 1.0} == {"a": 1.0}', '{"a": 1.0}.a == 1.0', '[1.0, "a"] == [1.0, "a"]', '[gone]'],
  ...['s.lowerAscii() == s', 's.substring(1, 3) == "el"', 's.replace("l", "L") == "heLLo"'],
  ...['s.split("l") == ["he", "", "o"]', '["a", "b"].join("-") == "a-b"', 's.upperAscii()'],
  ...['timestamp("2026-03-29T00:59:59Z").getHours("Europe/Berlin") == 1', ...getters()],
  ...['duration("90m") == duration("1.5h")', 'duration("1s") < duration("1h")'],
  ...['timestamp("2026-01-01T00:00:00Z") + duration("24h") == timestamp("2026-01-02T00:00:00Z")'],
  ...['duration("3661s").getMinutes() == 61', 'duration("1.5s").getMilliseconds() == 500'],
]

test('answers are those of a conformant CEL', () => {
  const answers = expressions.map((text) => [text, answer(text, { event: fields })])
  expect(answers).toStrictEqual(expressions.map((text) => [text, oracle(text)]))
  expect(expressions.length).toBeGreaterThan(500)
})

function oracle(text: string): unknown {
  const input = { ...fields, m: new Map(Object.entries(fields.m)) }
  // Indexes of strings and lists are integers there.
  const standard = text.replace('l[0.0]', 'l[0]')
  try {
    const value = run(standard, input, { funcs: strings })
    if (isCelError(value)) return undefined
    if (typeof value !== 'object' || value === null)
      return typeof value === 'bigint' ? Number(value) : value
    return plain(value)
  } catch {
    return undefined
  }
}

/** Lists of the oracle are iterable; maps do not come out of these expressions but as `m`. */
function plain(value: object): unknown {
  return Symbol.iterator in value ? [...(value as Iterable<unknown>)] : fields.m
}

function combined(operands: readonly string[], operators: readonly string[]): string[] {
  return operands.flatMap((left) =>
    operands.flatMap((right) => operators.map((operator) => `(${left}) ${operator} (${right})`)),
  )
}

function getters(): string[] {
  const times = ['1999-12-31T23:59:59.999Z', '2024-02-29T12:00:00Z', '2026-07-01T22:30:15.25Z']
  const zones = ['', '"America/New_York"', '"Asia/Kolkata"', '"-03:30"', '"Australia/Lord_Howe"']
  const names = ['FullYear', 'Month', 'Date', 'DayOfMonth', 'DayOfWeek', 'DayOfYear', 'Hours']
  return times.flatMap((time) =>
    zones.flatMap((zone) =>
      [...names, 'Minutes', 'Seconds', 'Milliseconds'].map(
        (name) => `timestamp("${time}").get${name}(${zone})`,
      ),
    ),
  )
}
