import { expect, test } from 'vitest'
import { conjunction, expressionKey, splitUnary } from '../../src/expression/expression-analysis.ts'
import { openScope } from '../../src/expression/expression-scope.ts'
import { parseWindowExpression } from '../../src/expression/window-expression.ts'
import { answer, parse, scopeOf } from './harness.ts'

const scope = scopeOf({ steps: ['a'] })
const keyOf = (text: string) => expressionKey(parse(text, scope))

test('equal predicates have one key', () => {
  expect(keyOf('x > 5 && y == "a"')).toBe(keyOf('"a" == y && 5 < x'))
  expect(keyOf('duration("90m") < d')).toBe(keyOf('d > duration("1.5h")'))
  const different = [
    'x > 5',
    'x >= 5',
    'x < 5',
    'x > y',
    'y > x',
    'x.y > 5',
    'event["x.y"] > 5',
    'x == "5"',
    'x == 5',
    'x == -5',
    'x - y == 1',
    'y - x == 1',
    'x.matches("a.")',
    'x.matches("a.b")',
    'x.matches("a")',
    'a.x > 5',
    'a[0].x > 5',
    'sum(a.x) > 5',
    'event_time > timestamp(5)',
    'x > duration("5ms")',
    'has(x)',
  ]
  expect(new Set(different.map(keyOf)).size).toBe(different.length)
})

test('a condition is split into what the event decides and what the match decides', () => {
  const { unary, iterative } = splitUnary(
    parse('amount > a.amount && type == "x" && (y || a.z) && has(q)', scope),
  )
  const both = [unary, iterative].map((part) => part && expressionKey(part))
  expect(both).toStrictEqual([
    keyOf('type == "x" && has(q)'),
    keyOf('amount > a.amount && (y || a.z)'),
  ])
  expect(splitUnary(parse('true'))).toStrictEqual({ unary: null, iterative: null })
  expect(splitUnary(parse('x > 1')).iterative).toBe(null)
})

test('cheap conditions come first', () => {
  const ordered = conjunction([parse('t.matches("a.*b") && x > 1'), parse('true')])
  expect(expressionKey(ordered)).toBe(keyOf('x > 1 && t.matches("a.*b")'))
  expect(ordered.kind === 'and' && ordered.operands[0]).toStrictEqual(parse('x > 1'))
})

test('an entry of let names its aggregates', () => {
  const parsed = parseWindowExpression('sum(amount) / count() + limit + sum(amount)', {
    ...openScope,
    names: ['limit'],
  })
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  const [sum, count] = parsed.aggregates
  expect(parsed.aggregates).toStrictEqual([
    { aggregate: 'sum', argument: parse('amount'), name: sum?.name },
    { aggregate: 'count', argument: null, name: count?.name },
  ])
  expect(parseWindowExpression('sum(amount) + amount', openScope)).toStrictEqual({
    problems: [{ message: '`amount` is not known here', start: 14, end: 20 }],
  })
})

test('an expression over names reads their values', () => {
  expect(
    answer('has(previous.mean) && mean > previous.mean', {
      names: { mean: 2, previous: { mean: 1 } },
    }),
  ).toBe(true)
})
