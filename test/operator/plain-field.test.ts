import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFlat, PlainField } from '../../src/operator/plain-field.ts'

/** The value that is found in the text of an event, or `undefined`. */
function found(event: string, name = 'id'): unknown {
  const raw = Buffer.from(event).toString('latin1')
  return isFlat(raw) ? PlainField.of(name)?.valueIn(raw) : undefined
}

describe('a field that is plain to see in the text of an event', () => {
  it('is found where the event is flat', () => {
    const event = '{"at":1,"id":"t1","amount":-23.75,"country":"JP"}'

    expect(found(event)).toBe('t1')
    expect(found(event, 'amount')).toBe(-23.75)
    expect(found(event, 'country')).toBe('JP')
    expect(found('{"n":0}', 'n')).toBe(0)
    expect(found('{"n":-0}', 'n')).toBe(-0)
  })

  it.each([
    ['is missing', '{"at":1}'],
    ['comes again', '{"id":"a","id":"b"}'],
    ['comes again with a space', '{"id":"a","id" :"b"}'],
    ['is named in a text behind it', '{"id":"a","by":"id"}'],
    ['lies deeper', '{"by":{"id":"a"}}'],
    ['may lie deeper', '{"id":"a","by":{"at":1}}'],
    ['stands beside an escape', '{"note":"x\\"id\\":\\"y","at":1}'],
    ['has another form', '{"id": "a"}'],
    ['is not ASCII', '{"id":"é"}'],
    ['is neither a text nor a number', '{"id":true}'],
    ['is a list', '{"id":["a"]}'],
    ['has an exponent', '{"id":1e5}'],
  ])('is left to the decoder where it %s', (_, event) => {
    expect(found(event)).toBeUndefined()
  })

  it('is left to the decoder where its name is not plain', () => {
    expect(PlainField.of('naïve')).toBeNull()
    expect(PlainField.of('a"b')).toBeNull()
    expect(PlainField.of('a\\b')).toBeNull()
    expect(PlainField.of('')).toBeNull()
  })

  it('has the value that JSON.parse gives', () => {
    const name = fc.constantFrom('id', 'id', 'at', 'a b', 'd', 'i', '{')
    const plain = fc.constantFrom('', 'x', 'at', ':', 'a,b', '}', 'x y', '[', 'id:')
    const odd = fc.constantFrom('id', '"id":', '{', '\\', 'é', '"', 'at"')
    const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
    const value = fc.oneof(
      { arbitrary: fc.oneof(plain, number), weight: 12 },
      { arbitrary: fc.oneof(odd, fc.boolean(), fc.constant(null)), weight: 1 },
    )
    const list = fc.array(fc.oneof(plain, odd), { maxLength: 2 })
    const object = fc.dictionary(name, value, { maxKeys: 2 })
    const member = fc.tuple(
      name,
      fc.oneof({ arbitrary: value, weight: 12 }, { arbitrary: fc.oneof(list, object), weight: 1 }),
    )
    let hits = 0
    fc.assert(
      fc.property(fc.array(member, { maxLength: 4 }), fc.nat(9), (members, spaces) => {
        const colon = spaces === 0 ? ': ' : ':'
        const texts = members.map(
          ([key, of]) => `${JSON.stringify(key)}${colon}${JSON.stringify(of)}`,
        )
        const event = `{${texts.join(',')}}`
        const value = found(event)
        if (value === undefined) return
        hits++
        expect(value).toEqual(JSON.parse(event).id)
      }),
      { numRuns: 20_000 },
    )
    expect(hits).toBeGreaterThan(1_000)
  })
})
