import { describe, expect, it } from 'vitest'
import { compileEventCheck } from '../../src/expression/event-schema.ts'

const payment = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://example.org/payment',
  type: 'object',
  required: ['card', 'amount'],
  properties: {
    card: { $ref: '#/$defs/card' },
    amount: { type: 'number', minimum: 0 },
    status: { enum: ['approved', 'declined'] },
    kind: { const: 'payment' },
    at: { type: 'string', format: 'date-time' },
    place: {
      type: 'object',
      properties: { country: { type: 'string', pattern: '^[A-Z]{2}$' }, 'a/b': { type: 'null' } },
      required: ['country'],
      additionalProperties: false,
    },
    tags: { type: 'array', items: { type: ['string', 'integer'] } },
    either: { anyOf: [{ type: 'string' }, { minimum: 10 }] },
    secret: false,
  },
  if: { properties: { status: { const: 'declined' } }, required: ['status'] },
  // biome-ignore lint/suspicious/noThenProperty: `then` is JSON Schema's keyword.
  then: { required: ['reason'] },
  $defs: { card: { type: 'string', minLength: 2 } },
  'x-owner': 'payments',
}
const check = compileEventCheck(payment)

describe('the schema of a stream', () => {
  it.each([
    { card: 'c1', amount: 1 },
    { card: 'c1', amount: 0, status: 'approved', kind: 'payment', tags: ['a', 1], either: 11 },
    { card: 'c1', amount: 1, at: 'no date: a format is an annotation', more: {} },
    {
      card: 'c1',
      amount: 1,
      status: 'declined',
      reason: 'limit',
      place: { country: 'DE', 'a/b': null },
    },
  ])('takes %j', (event) => {
    expect(check(event)).toBeNull()
  })

  it.each([
    [{ amount: 1 }, "field 'card' is missing"],
    [{ card: 5, amount: 1 }, "field 'card' must be string, but is number"],
    [{ card: null, amount: 1 }, "field 'card' must be string, but is null"],
    [{ card: 'c', amount: 1 }, "field 'card' must NOT have fewer than 2 characters"],
    [{ card: 'c1', amount: -5 }, "field 'amount' must be >= 0"],
    [
      { card: 'c1', amount: 1, status: 'lost' },
      'field \'status\' must be one of "approved", "declined"',
    ],
    [{ card: 'c1', amount: 1, kind: 'x' }, 'field \'kind\' must be "payment"'],
    [{ card: 'c1', amount: 1, place: {} }, "field 'place.country' is missing"],
    [
      { card: 'c1', amount: 1, place: { country: 'de' } },
      'field \'place.country\' must match pattern "^[A-Z]{2}$"',
    ],
    [
      { card: 'c1', amount: 1, place: { country: 'DE', 'a/b': 1 } },
      "field 'place.a/b' must be null, but is number",
    ],
    [
      { card: 'c1', amount: 1, place: { country: 'DE', city: 'x' } },
      "field 'place.city' is not in the schema",
    ],
    [{ card: 'c1', amount: 1, place: [] }, "field 'place' must be object, but is array"],
    [
      { card: 'c1', amount: 1, tags: ['a', true] },
      "field 'tags.1' must be string or integer, but is boolean",
    ],
    [{ card: 'c1', amount: 1, either: 5 }, "field 'either' must match a schema in anyOf"],
    [{ card: 'c1', amount: 1, secret: 'x' }, "field 'secret' is not in the schema"],
    [{ card: 'c1', amount: 1, status: 'declined' }, "field 'reason' is missing"],
  ])('names the field of %j and what was expected', (event, fault) => {
    expect(check(event)).toBe(fault)
  })

  it('is of the draft that it names', () => {
    const tuple = (draft: string) =>
      compileEventCheck({ $schema: draft, properties: { pair: { items: [{ type: 'number' }] } } })
    expect(tuple('http://json-schema.org/draft-07/schema#')({ pair: ['x'] })).toBe(
      "field 'pair.0' must be number, but is string",
    )
    expect(tuple('https://json-schema.org/draft/2019-09/schema')({ pair: [1] })).toBeNull()
    expect(() => tuple('https://json-schema.org/draft/2020-12/schema')).toThrow('items')
  })

  it.each([
    ['a list', [], 'a JSON Schema is an object'],
    ['an unknown type', { type: 'numbr' }, 'it is no JSON Schema: '],
    ['a reference to nothing', { $ref: '#/$defs/none' }, 'it is no JSON Schema: '],
    ['a pattern that is none', { properties: { a: { pattern: '(' } } }, 'it is no JSON Schema: '],
    [
      'an unknown draft',
      { $schema: 'http://json-schema.org/draft-04/schema#' },
      'its draft is not known',
    ],
  ])('is refused: %s', (_, schema, message) => {
    expect(() => compileEventCheck(schema)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('reads own properties only', () => {
    const own = compileEventCheck({ required: ['toString'] })
    expect([own({}), own(JSON.parse('{"toString":1}'))]).toEqual([
      "field 'toString' is missing",
      null,
    ])
  })

  it('takes linear time for a pattern that others take for ever for', () => {
    const slow = compileEventCheck({ properties: { a: { pattern: '^(a+)+$' } } })
    expect(slow({ a: `${'a'.repeat(5000)}!` })).toBe('field \'a\' must match pattern "^(a+)+$"')
  })
})
