import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TimerQueue } from '../../src/time/timer-queue.ts'

describe('timers in order', () => {
  it('go on in order when some of them are forgotten', () => {
    const time = fc.integer({ min: 0, max: 20_000 })
    const step = fc.oneof(
      fc.record({ kind: fc.constant('register' as const), at: time }),
      fc.record({ kind: fc.constant('advance' as const), at: time }),
      fc.record({ kind: fc.constant('forget' as const), at: fc.integer({ min: 1, max: 5 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const queue = new TimerQueue<number>()
        let known: { readonly at: number; readonly item: number }[] = []
        let now = 0
        steps.forEach(({ kind, at }, item) => {
          if (kind === 'register') {
            queue.register(now + at, item)
            known.push({ at: now + at, item })
          } else if (kind === 'forget') {
            queue.retain((each) => each % at !== 0)
            known = known.filter((each) => each.item % at !== 0)
          } else {
            now = item === steps.length - 1 ? Infinity : now + at
            const due = known.filter((each) => each.at <= now)
            known = known.filter((each) => each.at > now)
            due.sort((a, b) => a.at - b.at || a.item - b.item)
            const fired: number[] = []
            while (queue.isDue(now)) fired.push(queue.poll())
            expect([fired, queue.size]).toEqual([due.map(({ item: each }) => each), known.length])
          }
        })
      }),
      { numRuns: 500, seed: 20260101 },
    )
  })
})
