import { expect, it } from 'vitest'
import { hashKey, keyGroupOf } from '../../src/stream/key-group.ts'

it('gives the groups that stored state was divided by', () => {
  const groups = ['', '\x01c1', '\x01c2', '\x0212'].map((key) =>
    keyGroupOf(hashKey(Buffer.from(key, 'latin1'))),
  )
  expect(groups).toMatchInlineSnapshot(`
    [
      11,
      67,
      6,
      26,
    ]
  `)
})

it('spreads keys that differ only at their end over all groups', () => {
  const sizes = new Array<number>(128).fill(0)
  for (let i = 0; i < 128_000; i++) {
    const group = keyGroupOf(hashKey(Buffer.from(`\x01c${i}`, 'latin1')), 128)
    sizes[group] = (sizes[group] ?? 0) + 1
  }
  expect(Math.min(...sizes)).toBeGreaterThan(800)
  expect(Math.max(...sizes)).toBeLessThan(1_200)
})

it('hashes a part of a buffer like those bytes alone', () => {
  expect(hashKey(Buffer.from('..key..'), 2, 5)).toBe(hashKey(Buffer.from('key')))
})
