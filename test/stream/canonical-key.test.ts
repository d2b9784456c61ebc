import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPlainDecoder } from '../../src/decode/plain-decoder.ts'
import { canonicalKey, KeyEncoder, keyValueOf } from '../../src/stream/key.ts'
import { recordBatch } from '../harness/decoder-difference.ts'

/** The key that columns give for the same values, or why there is none. */
function encodedKey(values: readonly unknown[]): string {
  const names = values.map((_, part) => [`f${part}`])
  const record = JSON.stringify(Object.fromEntries(values.map((value, i) => [`f${i}`, value])))
  const encoder = new KeyEncoder(names.map((_, part) => part))
  encoder.bind(createPlainDecoder({ fields: names }).decode(recordBatch([record])))
  return encoder.encode(0) ? encoder.text() : (encoder.failure as string)
}

function textOf(key: Buffer | string): string {
  return typeof key === 'string' ? key : key.toString('latin1')
}

const keyValue = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
)

describe('the key that a program selects', () => {
  it('has the bytes that rules give the same JSON value', () => {
    fc.assert(
      fc.property(keyValue, fc.array(keyValue, { minLength: 2, maxLength: 4 }), (value, list) => {
        expect(textOf(canonicalKey(value))).toBe(encodedKey([value]))
        expect(textOf(canonicalKey(list))).toBe(encodedKey(list))
      }),
      { numRuns: 500, seed: 3 },
    )
  })

  it('comes back with its type', () => {
    const keys = ['', '1', 1, -0.5, 1e300, true, false, [], ['a'], [1, 'a', false], ['a', '']]
    expect(keys.map((key) => keyValueOf(textOf(canonicalKey(key))))).toEqual(keys)
  })

  it('is none where there is no JSON value to compare', () => {
    const values = [undefined, null, {}, [[]], [null], Number.NaN, Infinity, 1n, 'x'.repeat(70_000)]
    expect(values.map(canonicalKey)).toEqual([
      'missing',
      'null',
      'object',
      'array',
      'null',
      'missing',
      'missing',
      'missing',
      'tooLong',
    ])
  })
})
