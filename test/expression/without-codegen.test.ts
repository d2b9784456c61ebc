import { afterEach, expect, test, vi } from 'vitest'
import { compileEventExpression } from '../../src/expression/event-expression.ts'
import { parseSchemaPredicate } from '../../src/expression/schema-predicate.ts'
import { answer, parse, rowOutcomes } from './harness.ts'

afterEach(() => vi.unstubAllGlobals())

/** As under `--disallow-code-generation-from-strings`. */
function forbidCodegen(): { readonly refused: () => number } {
  let refused = 0
  vi.stubGlobal('Function', function forbidden() {
    refused++
    throw new EvalError('Code generation from strings disallowed for this context')
  })
  return { refused: () => refused }
}

test('where code may not be generated, closures answer', () => {
  const { refused } = forbidCodegen()
  const situation = { event: { n: 2 }, steps: ['a'], taken: [{ step: 'a', event: { n: 1 } }] }
  expect(answer('n > a.n && n == 2', situation)).toBe(true)
  const environment = { tables: new Map(), codegen: true }
  const rows = [{ n: 1 }, { n: 2 }, {}]
  expect(rowOutcomes([parse('n > 1')], rows, environment)).toStrictEqual({
    bits: [[false], [true], [false]],
    errors: [1],
  })
  expect(refused()).toBe(2)
})

test('asked not to, no code is generated', () => {
  const { refused } = forbidCodegen()
  compileEventExpression(parse('n > 1'), () => 0, { tables: new Map(), codegen: false })
  expect(refused()).toBe(0)
})

test('folded keywords of a schema work, those of Ajv are refused', () => {
  forbidCodegen()
  expect(parseSchemaPredicate({ properties: { n: { minimum: 1 } } }, [])).toHaveProperty(
    'expression.kind',
    'constraint',
  )
  expect(parseSchemaPredicate({ properties: { n: { minimum: 'x' } } }, [])).toStrictEqual({
    problems: [{ message: 'must be number', path: ['properties', 'n', 'minimum'] }],
  })
  expect(parseSchemaPredicate({ properties: { l: { items: {} } } }, [])).toStrictEqual({
    problems: [
      {
        message: 'Code generation from strings disallowed for this context',
        path: ['properties', 'l'],
      },
    ],
  })
})
