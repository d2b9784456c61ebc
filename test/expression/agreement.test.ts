import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readsOf } from '../../src/expression/expression-analysis.ts'
import { answer, evaluate, parse, rowOutcomes, scopeOf } from './harness.ts'

const names = fc.constantFrom('a', 'b', 'c', 's.a', 's.b', 'gone', 'o.x', 'n')
const literals = fc.constantFrom(
  '1',
  '2.5',
  '0',
  '-1',
  '"x"',
  '"xy"',
  'true',
  'false',
  'null',
  '[1]',
)

const { value } = fc.letrec<{ value: string }>((tie) => {
  const binary = (operators: string[]) =>
    fc
      .tuple(tie('value'), fc.constantFrom(...operators), tie('value'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`)
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      names,
      literals,
      binary(['<', '<=', '>', '>=', '==', '!=']),
      binary(['&&', '||']),
      binary(['+', '-', '*', '/', '%', 'in']),
      tie('value').map((operand) => `!(${operand})`),
      tie('value').map((operand) => `-(${operand})`),
      names.map((name) => `has(${name})`),
      fc.tuple(tie('value'), tie('value'), tie('value')).map(([c, t, f]) => `(${c} ? ${t} : ${f})`),
      names.map((name) => `${name}.contains("x")`),
      names.map((name) => `${name}.matches("^x")`),
      names.map((name) => `sum(${name})`),
      tie('value').map((body) => `s.exists(e, e.a == 1 || ${body})`),
    ),
  }
})

const json = fc.constantFrom<unknown>(0, 1, 2.5, 'x', 'xy', '\u2028', null, true, false, [1], {
  x: 1,
})
const event = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'o', 'n'), json)

test('generated code, closures and columns agree on any expression over any event', () => {
  let evaluated = 0
  fc.assert(
    fc.property(value, event, fc.array(event, { maxLength: 3 }), (text, current, earlier) => {
      const taken = earlier.map((taken) => ({ step: 's', event: taken }))
      const situation = { event: current, taken, steps: ['s'] }
      // Not type-correct by design: what the check refuses is no rule.
      let expression: ReturnType<typeof parse>
      try {
        expression = parse(text, scopeOf(situation))
      } catch {
        return
      }
      evaluated++
      evaluate(expression, situation)
    }),
    { numRuns: 3000 },
  )
  expect(evaluated).toBeGreaterThan(500)
})

test('many predicates at once, in more than one word and loop, equal each alone', () => {
  const rows = Array.from({ length: 20 }, (_, i) =>
    i % 7 === 0 ? { s: 'x' } : { n: i, s: i % 3 === 0 ? 'a' : 'b"' },
  )
  const texts = Array.from({ length: 100 }, (_, i) =>
    i % 2 === 0 ? `n > ${i / 6} && s == "a"` : `s != "b\\"" || n == ${i}`,
  )
  const predicates = texts.map((text) => parse(text))
  const environment = { tables: new Map(), codegen: true }
  const { bits, errors } = rowOutcomes(predicates, rows, environment)
  const expected = rows.map((event) => texts.map((text) => answer(text, { event }) === true))
  expect(bits).toStrictEqual(expected)
  expect({ bits, errors }).toStrictEqual(
    rowOutcomes(predicates, rows, { ...environment, codegen: false }),
  )
  expect(errors[0]).toBe(0)
  expect(errors[1]).toBe(0)
  expect(rowOutcomes([parse('n > 1')], rows, environment).errors).toStrictEqual([3])
})

const payloads = [
  '");globalThis.canary=1;//',
  "');globalThis.canary=1;//",
  `\`$\{globalThis.canary=1}\``,
  '*/globalThis.canary=1/*',
  '\u2028globalThis.canary=1\u2029',
  '\n}globalThis.canary=1\n',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
]

test('names and texts never become code, and only own properties are read', () => {
  for (const payload of payloads) {
    const quoted = JSON.stringify(payload)
    const text = `event[${quoted}] == ${quoted} && {${quoted}: 1}[${quoted}] == 1 && ${quoted} in m`
    const own = JSON.parse(`{${quoted}: ${quoted}, "m": {${quoted}: 1}}`)
    expect([payload, answer(text, { event: own })]).toStrictEqual([payload, true])
    expect(answer(`has(event[${quoted}])`, { event: {} })).toBe(false)
    expect(answer(`has(m[${quoted}]) || ${quoted} in m`, { event: { m: {} } })).toBe(false)
    expect(answer(`event[${quoted}].x.matches(${quoted} + "(")`, { event: {} })).toBe(undefined)
  }
  expect(Object.hasOwn(globalThis, 'canary')).toBe(false)
  expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
})

test('regular expressions run in linear time', () => {
  const hostile = `${'a'.repeat(5000)}!`
  const started = performance.now()
  const answers = ['^(a+)+$', '(.*a){20}$', '(a|aa)+$', '^(([a-z])+.)+[A-Z]$'].map((pattern) => [
    answer(`t.matches(${JSON.stringify(pattern)})`, { event: { t: hostile } }),
    answer('t.matches(p)', { event: { t: hostile, p: pattern } }),
  ])
  expect(answers).toStrictEqual([
    [false, false],
    [false, false],
    [false, false],
    [false, false],
  ])
  expect(performance.now() - started).toBeLessThan(2000)
})

test('what is read of the current event is what readsOf says', () => {
  const scope = scopeOf({ steps: ['a', 'b'] })
  const text =
    'loc.lat > 1 && event["x"].y == a.z && sum(b.n) > b[a.i].v && key in tables.t && ' +
    'b.exists(e, e.w == q) && l.exists(v, v.p > 1) && stream == "s" && distance_km(a.loc, loc) > 1'
  expect(readsOf(parse(text, scope))).toStrictEqual({
    fields: [['loc', 'lat'], ['x', 'y'], ['q'], ['l'], ['loc']],
    taken: [
      { step: 0, path: ['z'] },
      { step: 1, path: ['n'] },
      { step: 1, path: ['v'] },
      { step: 0, path: ['i'] },
      { step: 1, path: ['w'] },
      { step: 0, path: ['loc'] },
    ],
    properties: ['p'],
    steps: [0, 1],
    tables: ['t'],
    names: ['key'],
    unary: false,
  })
})
