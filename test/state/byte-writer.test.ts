import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/state/byte-reader.ts'
import { ByteWriter } from '../../src/state/byte-writer.ts'

const wholes = [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 1_700_000_000_000, 2 ** 53 - 1]

describe('bytes that a writer has written', () => {
  it('are read back as they were, whatever their kind and size', () => {
    const plain = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(undefined, -0, Number.NaN, Infinity, -1, 2 ** 60, '\ud800', 'ÿ', 'Ā'),
    )
    const texts = fc.string({ unit: 'binary' })
    const latin1 = fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1'))
    const uints = fc.oneof(fc.constantFrom(...wholes), fc.maxSafeNat())
    const written = fc.array(fc.tuple(plain, texts, latin1, uints, fc.double()), { minLength: 1 })
    const out = new ByteWriter()
    fc.assert(
      fc.property(written, (rows) => {
        out.reset()
        for (const [value, text, bytes, uint, double] of rows) {
          out.value(value)
          out.text(text)
          out.latin1(bytes)
          out.bytes(Buffer.from(`xx${bytes}y`, 'latin1'), 2, 2 + bytes.length)
          out.uint(uint)
          out.double(double)
          out.byte(uint % 256)
        }
        const from = new ByteReader(out.toBuffer())
        const read = rows.map(() => {
          const row = [from.value(), from.text(), from.latin1(), from.latin1()]
          return [...row, from.uint(), from.double(), from.byte()]
        })
        const expected = rows.map(([value, text, bytes, uint, double]) => {
          return [value, text, bytes, bytes, uint, double, uint % 256]
        })
        expect([read, from.isAtEnd]).toEqual([expected, true])
      }),
      { seed: 20260101, numRuns: 300 },
    )
  })

  it('are few where the values are small', () => {
    const out = new ByteWriter()
    for (const value of [0, 100, null, true, 'ab', undefined]) out.value(value)
    expect(out.length).toBe(2 + 2 + 1 + 1 + 5 + 1)
  })
})
