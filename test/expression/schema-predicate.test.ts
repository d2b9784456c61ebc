import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Expression } from '../../src/expression/expression.ts'
import { readsOf } from '../../src/expression/expression-analysis.ts'
import { parseSchemaPredicate } from '../../src/expression/schema-predicate.ts'
import { evaluate } from './harness.ts'

test('a schema holds for the same events as by Ajv', () => {
  fc.assert(
    fc.property(schema(2), event(), (properties, json) => {
      const root = { ...properties, type: 'object' }
      const expected = reference().validate(root, json)
      expect(evaluate(predicate(root), { event: json })).toBe(expected)
    }),
    { numRuns: 400 },
  )
})

test('only the fields that common keywords name are read', () => {
  const folded = predicate({
    properties: { amount: { minimum: 1 }, loc: { properties: { lat: { type: 'number' } } } },
    required: ['amount', 'id'],
  })
  expect(readsOf(folded).fields).toStrictEqual([['amount'], ['loc', 'lat'], ['id']])
  const uncommon = predicate({ properties: { tags: { items: { type: 'string' } } } })
  expect(readsOf(uncommon).fields).toStrictEqual([['tags']])
  expect(evaluate(uncommon, { event: { tags: ['a', 1] } })).toBe(false)
})

test('references and patterns work, in linear time', () => {
  const byReference = predicate({
    $defs: { name: { pattern: '^(a+)+$' } },
    properties: { n: { $ref: '#/$defs/name' } },
  })
  const hostile = `${'a'.repeat(5000)}!`
  const started = performance.now()
  expect(evaluate(byReference, { event: { n: hostile } })).toBe(false)
  expect(
    evaluate(predicate({ properties: { n: { pattern: '(.*a){20}$' } } }), {
      event: { n: hostile },
    }),
  ).toBe(false)
  expect(performance.now() - started).toBeLessThan(1000)
})

test('a malformed schema is told with its path', () => {
  const schemas = [
    5,
    { propertys: {} },
    { type: 'nope' },
    { properties: { a: { minimum: 'x' } } },
    { properties: { a: { pattern: '(?=x)' } } },
    { properties: { b: { requierd: ['x'] } } },
    { properties: { amuont: {} }, required: ['merchnt'] },
  ]
  const stream = { properties: { amount: {}, merchant: {}, a: {}, b: {} } }
  const problems = schemas.map((malformed) => parseSchemaPredicate(malformed, [stream]))
  expect(problems).toMatchSnapshot()
})

function reference(): Ajv2020 {
  return new Ajv2020({ strict: false, ownProperties: true, validateSchema: false })
}

function predicate(root: unknown): Expression {
  const parsed = parseSchemaPredicate(root, [])
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  return parsed.expression
}

function leaf(): fc.Arbitrary<unknown> {
  return fc.constantFrom<unknown>(
    0,
    1,
    2.5,
    -1,
    'a',
    'ab',
    'b\u{1f600}',
    '',
    null,
    true,
    false,
    [1],
    [],
  )
}

function event(): fc.Arbitrary<Record<string, unknown>> {
  const inner = fc.dictionary(fc.constantFrom('a', 'b'), leaf())
  return fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(leaf(), inner))
}

function schema(depth: number): fc.Arbitrary<Record<string, unknown>> {
  const limit = fc.constantFrom(0, 1, 2)
  const leafKeywords = {
    type: fc.constantFrom('string', 'number', 'integer', 'object', 'null', 'boolean', 'array'),
    const: leaf(),
    enum: fc.array(leaf(), { minLength: 1, maxLength: 3 }),
    minimum: limit,
    exclusiveMaximum: limit,
    multipleOf: fc.constantFrom(1, 2, 0.5),
    minLength: limit,
    maxLength: limit,
    pattern: fc.constantFrom('^a', 'b$', 'a', '^ab$', 'a.', '[b]'),
    required: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
    minProperties: limit,
  }
  if (depth === 0) return fc.record(leafKeywords, { requiredKeys: [] }).map(few(2))
  const inner = fc.oneof(schema(depth - 1), fc.boolean())
  const keywords = {
    ...leafKeywords,
    properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), inner),
    not: inner,
    anyOf: fc.array(inner, { minLength: 1, maxLength: 2 }),
    allOf: fc.array(inner, { minLength: 1, maxLength: 2 }),
  }
  return fc.record(keywords, { requiredKeys: ['properties'] }).map(few(4))
}

/** Few keywords at a time: with many of them nothing would ever pass. */
function few(count: number) {
  return (whole: Record<string, unknown>) => {
    const names = Object.keys(whole)
    const start = names.length % 5
    const kept = names.filter(
      (name, i) => name === 'properties' || (i >= start && i < start + count),
    )
    return Object.fromEntries(kept.map((name) => [name, whole[name]]))
  }
}
