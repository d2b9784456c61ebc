import { byteSizeExpected, byteSizePattern } from '../connector/byte-size.ts'
import { durationExpected, durationPattern } from '../connector/duration.ts'
import { isoTimeExpected } from './iso-time.ts'

/** A node of the published schema. */
export type SchemaNode = Readonly<Record<string, unknown>>

/** An object of these keywords and no other, but for keywords that begin with `x-`. */
export function keywords(
  properties: Readonly<Record<string, SchemaNode>>,
  required: readonly string[] = [],
): SchemaNode {
  return {
    type: 'object',
    properties,
    patternProperties: { '^x-': true },
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
  }
}

/** Adds a keyword's description and examples, which every keyword has, to its shape. */
export function described(
  shape: SchemaNode,
  description: string,
  ...examples: unknown[]
): SchemaNode {
  return { ...shape, description, examples }
}

/**
 * Marks a keyword that is known but not built: its shape is checked, its use is refused.
 * @param instead what there is in its place, for the message; default: nothing
 */
export function notYet(shape: SchemaNode, instead?: string): SchemaNode {
  return { ...shape, 'x-not-yet': true, ...(instead === undefined ? {} : { 'x-instead': instead }) }
}

/** `x-expected` is the end of "expected …" in the messages about a value. */
export const text: SchemaNode = { type: 'string', minLength: 1, 'x-expected': 'a text' }
export const name: SchemaNode = {
  type: 'string',
  pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
  'x-expected': 'a name of letters, digits and `_` that begins with a letter',
}
export const count: SchemaNode = {
  type: 'integer',
  minimum: 1,
  maximum: 1_000_000_000,
  'x-expected': 'a whole number of at least 1',
}
export const duration: SchemaNode = {
  type: 'string',
  minLength: 1,
  pattern: durationPattern,
  'x-expected': durationExpected,
}
export const byteSize: SchemaNode = {
  type: 'string',
  pattern: byteSizePattern,
  'x-expected': byteSizeExpected,
}
export const time: SchemaNode = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\d(?:T[0-9:.]+(?:Z|[+-]\\d\\d:\\d\\d))?$',
  'x-expected': isoTimeExpected,
}
export const expression: SchemaNode = {
  type: 'string',
  minLength: 1,
  'x-expected': 'a CEL expression, as text',
}
export const flag: SchemaNode = { type: 'boolean', 'x-expected': '`true` or `false`' }
export const anyObject: SchemaNode = { type: 'object', 'x-expected': 'a map' }

export function listOf(items: SchemaNode, minItems = 0): SchemaNode {
  return { type: 'array', items, minItems, 'x-expected': 'a list' }
}

export function mapOf(values: SchemaNode, names?: SchemaNode): SchemaNode {
  return {
    type: 'object',
    additionalProperties: values,
    ...(names === undefined ? {} : { propertyNames: names }),
    'x-expected': 'a map',
  }
}

export function oneOfWords(...words: string[]): SchemaNode {
  return { type: 'string', enum: words }
}

/** One word or a map: the words bind only where a text stands. */
export function wordOrMap(words: readonly string[], map: SchemaNode, expected: string): SchemaNode {
  return {
    ...map,
    type: ['string', 'object'],
    if: { type: 'string' },
    // biome-ignore lint/suspicious/noThenProperty: `then` is JSON Schema's keyword.
    then: { enum: words },
    'x-expected': expected,
  }
}
