import { expect, it } from 'vitest'
import { canonicalDecimal } from '../../src/stream/decimal.ts'
import { RecordGenerator } from '../harness/record-generator.ts'

/** The decimal as an integer in units of 1e-60. */
function scaled(text: string): bigint {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  return BigInt(whole + fraction) * 10n ** BigInt(60 + Number(exponent) - fraction.length)
}

it('keeps the exact value, and has one spelling for it', () => {
  const generator = new RecordGenerator(7)
  for (let i = 0; i < 5_000; i++) {
    const shift = generator.below(20) - 10
    const written = generator.decimal() + (i % 2 === 0 ? `e${shift}` : '')
    const canonical = canonicalDecimal(written)
    expect([written, scaled(canonical)]).toEqual([written, scaled(written)])
    const otherwise = /[.e]/.test(written) ? `${BigInt(scaled(written))}e-60` : `${written}.000e+0`
    expect([written, canonicalDecimal(otherwise)]).toEqual([written, canonical])
  }
})

it('does not expand an exponent', () => {
  expect(canonicalDecimal('-12.500e1000000000000')).toBe('-125e999999999999')
})
