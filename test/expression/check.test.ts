import { expect, test } from 'vitest'
import { type ExpressionScope, openScope } from '../../src/expression/expression-scope.ts'
import { problemsOf } from './harness.ts'

const payment = {
  type: 'object',
  properties: {
    amount: { type: 'number' },
    merchant: { type: 'string' },
    account: { type: 'object', properties: { owner: { type: 'string' } } },
    extra: { type: 'object' },
  },
}
const scope: ExpressionScope = {
  ...openScope,
  schemas: [payment],
  steps: [{ name: 'probe', index: 0, schemas: [payment] }],
  names: ['total'],
  tables: ['devices'],
  result: 'boolean',
}

test('mistakes are told with their place and a near name', () => {
  const texts = [
    'amuont > 5',
    'account.ownr == "x"',
    'probe.merchnat == "x"',
    'prob.amount > 5',
    'tables.device[merchant] == 1',
    'merchant > 5',
    'merchant == 5',
    'amount + 1',
    'amount && true',
    'merchant.startWith("a")',
    'startsWith(merchant, "a")',
    'elapsd(probe, event) < duration("1h")',
    'duration("1 hour") > duration("1h")',
    'merchant.matches("(?=a)")',
    'event_time.getHours("Europe/Berln") > 1',
    'size(1) > 2',
    'contains() == 1',
    'amount.x > 5',
    'amount >',
    'has(1 + 1)',
    'b"x" == b"x"',
    '[1].map(1, 2) == [1]',
    'tables.devices == 1',
  ]
  expect(texts.map((text) => problemsOf(text, scope).map((p) => shown(text, p)))).toMatchSnapshot()
})

test('what the schemas leave open is taken', () => {
  const open = { type: 'object', additionalProperties: true, properties: {} }
  const texts = ['extra.anything == 5', 'has(account.owner) && total > 1', 'merchant == null']
  expect(texts.flatMap((text) => problemsOf(text, scope))).toStrictEqual([])
  expect(problemsOf('x.y == 1', { ...scope, schemas: [open] })).toStrictEqual([])
  expect(problemsOf('nothing == 1', { ...scope, schemas: [payment, null] })).toStrictEqual([])
})

test('without fields, a bare name must be known', () => {
  expect(problemsOf('totl > 1', { ...scope, bareFields: false })).toStrictEqual([
    { message: '`totl` is not known here', start: 0, end: 4, suggestion: 'total' },
  ])
})

test('size and depth have limits', () => {
  const messages = [
    'a'.repeat(10_000),
    Array.from({ length: 600 }, () => 'a').join(' && '),
    `${'('.repeat(100)}a${')'.repeat(100)}`,
    '[1].map(a, [1].map(b, [1].map(c, [1].map(d, 1))))',
  ].map((text) => problemsOf(text).map(({ message }) => message))
  expect(messages).toStrictEqual([
    ['the expression is longer than 8192 characters'],
    ['Exceeded maxAstNodes (1000)'],
    ['Exceeded maxDepth (50)'],
    ['macros are nested deeper than 3'],
  ])
})

function shown(
  text: string,
  problem: { message: string; start: number; end: number; suggestion?: string },
): string {
  const { message, start, end, suggestion } = problem
  const near = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`
  return `${text.slice(0, start)}>>>${text.slice(start, end)}<<<${text.slice(end)}: ${message}.${near}`
}
