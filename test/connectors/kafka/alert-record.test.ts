import { describe, expect, it } from 'vitest'
import { alertRecord, recordBytes } from '../../../connectors/kafka/alert-record.ts'
import { murmur2 } from '../../../connectors/kafka/murmur2.ts'

describe('an alert as a record', () => {
  it('has the hash of Java, by the values that its own tests know', () => {
    const known = {
      '21': -973932308,
      abc: 479470107,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    }
    const hashes = Object.keys(known).map((key) => [key, murmur2(Buffer.from(key))])
    expect(Object.fromEntries(hashes)).toEqual(known)
  })

  it.each([
    ['the value of a single key, as text', { card: 'c1' }, 'c1'],
    ['a number as its digits', { account: 42 }, '42'],
    ['several as a list', { card: 'c1', shop: 7 }, '["c1",7]'],
    ['none without `by`', {}, null],
  ])('has as its key %s', (_, by, key) => {
    const document = JSON.stringify({ id: 'i', by })
    expect(alertRecord({ id: 'i', document }, 1)).toEqual({
      key,
      value: document,
      partition: 0,
      headers: { id: 'i' },
    })
  })

  it('goes to the partition of its key, or of its id where there is none', () => {
    const partitionOf = (id: string, by: object) =>
      alertRecord({ id, document: JSON.stringify({ by }) }, 7).partition
    const positive = (text: string) => (murmur2(Buffer.from(text)) & 0x7fffffff) % 7
    expect([partitionOf('a', { card: 'c1' }), partitionOf('b', { card: 'c1' })]).toEqual([
      positive('c1'),
      positive('c1'),
    ])
    expect([partitionOf('foobar', {}), partitionOf('21', {})]).toEqual([
      positive('foobar'),
      positive('21'),
    ])
  })

  it('counts bytes, not characters', () => {
    const bytes = (by: string, id: string) =>
      recordBytes(alertRecord({ id, document: JSON.stringify({ by: { by } }) }, 1))
    expect(bytes('ä', '€') - bytes('a', 'e')).toBe(4)
  })
})
