import { expect, test } from 'vitest'
import { formatValue, jsonOf, parseTemplate } from '../../src/expression/template.ts'
import { Duration, Timestamp } from '../../src/expression/value.ts'
import { evaluate, scopeOf } from './harness.ts'

const situation = {
  steps: ['a', 'b'],
  taken: [
    { step: 'a', event: { card: 'c1', n: 0.1 }, at: 0 },
    { step: 'b', event: { card: 'c2', n: 1e21, o: { x: [1, null] } }, at: 5_400_000 },
  ],
}

function render(text: string): unknown {
  const parsed = parseTemplate(text, scopeOf(situation))
  if ('problems' in parsed) return parsed.problems
  const texts = parsed.template.parts.map((part) =>
    part.kind === 'text' ? part.text : formatValue(evaluate(part.expression, situation)),
  )
  return texts.join('')
}

test('expressions in a text', () => {
  const open = '$' + '{{'
  const cases: [string, unknown][] = [
    ['plain', 'plain'],
    [`Card ${open} card }}: ${open}a.n}}!`, 'Card c2: 0.1!'],
    [`${open} a.n + 0.2 }} ${open} n }}`, '0.30000000000000004 1e+21'],
    [`${open} elapsed(a, b) }}`, '1h30m'],
    [`${open} event_time }}`, '1970-01-01T01:30:00Z'],
    [`[${open} a.gone }}]`, '[]'],
    [`${open} o }} ${open} {"a": {"b": "}}"}} }}`, '{"x":[1,null]} {"a":{"b":"}}"}}'],
    [`${open} null }} ${open} 1 == 1 }}`, 'null true'],
    ['costs $5 {{x}}', 'costs $5 {{x}}'],
  ]
  expect(cases.map(([text]) => [text, render(text)])).toStrictEqual(cases)
})

test('mistakes are told at their place in the text', () => {
  const open = '$' + '{{'
  expect([`a ${open} foo() }}`, `a ${open} x`].map(render)).toStrictEqual([
    [{ message: 'there is no function `foo`', start: 6, end: 11 }],
    [{ message: 'an expression that no `}}` closes', start: 2, end: 7 }],
  ])
})

test('values as an alert carries them', () => {
  const values = [
    new Timestamp(5),
    new Duration(7_200_000),
    1 / 0,
    undefined,
    { a: [new Timestamp(1)] },
  ]
  expect(values.map(jsonOf)).toStrictEqual([5, '2h', 'Infinity', null, { a: [1] }])
})
