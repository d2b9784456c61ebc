import { describe, expect, it } from 'vitest'
import { type MemoryPoll, memorySource } from '../harness/memory-source.ts'
import { positions, runSplits } from '../harness/split-run.ts'

/** Batches of ten events, a second apart, each with some text. */
function traffic(from: number, batches: number, stepMs: number): MemoryPoll[] {
  return Array.from({ length: batches }, (_, batch) =>
    Array.from({ length: 10 }, (_, i) => ({
      ts: from + (batch * 10 + i) * stepMs,
      k: 'a',
      text: 'x'.repeat(100),
    })),
  )
}

const silence = (polls: number): MemoryPoll[] => Array(polls).fill('idle')
/** Roughly: a batch of such events is 4 kB. */
const batchBytes = 4000
const never = Number.POSITIVE_INFINITY

describe('the cap of the sorters', () => {
  it('stops what runs ahead of the slowest split, which goes on', async () => {
    const slow = traffic(0, 40, 1).flatMap((poll) => [...silence(5), poll])
    const source = () => memorySource([traffic(0, 40, 1), slow])
    const run = (sorterCapBytes: number) =>
      runSplits(
        { s: { source: source(), maxDriftMs: never, idleAfterMs: never } },
        { sorterCapBytes },
      )
    const free = await run(1e9)
    const capped = await run(6 * batchBytes)
    expect(free.summary.bufferedBytesMax).toBeGreaterThan(20 * batchBytes)
    expect(capped.summary.bufferedBytesMax).toBeLessThan(9 * batchBytes)
    expect(positions(capped.alerts)).toEqual(positions(free.alerts))
    expect(capped.summary.events).toBe(800)
  })

  it('ends no job: what the out-of-orderness holds is held, and that is said once', async () => {
    const source = memorySource([traffic(0, 50, 1)])
    const { exceeded, summary } = await runSplits(
      { s: { source, outOfOrdernessMs: 1e6 } },
      { sorterCapBytes: 5 * batchBytes },
    )
    expect(summary.events).toBe(500)
    expect(exceeded).toEqual([{ bufferedBytes: expect.any(Number), capBytes: 5 * batchBytes }])
    expect(summary.bufferedBytesMax).toBeGreaterThan(40 * batchBytes)
  })

  it.each([
    ['that have ended', []],
    ['that never come', silence(300)],
    ['that come late in time', [...silence(50), ...traffic(0, 3, 1)]],
    ['that are far ahead', traffic(1e9, 30, 1)],
    ['of dead letters only', Array(30).fill(['no json'])],
  ] as [string, MemoryPoll[]][])('never ends in a deadlock: beside splits %s', async (_, other) => {
    const { summary } = await runSplits(
      {
        s: {
          source: memorySource([traffic(0, 30, 1), other]),
          outOfOrdernessMs: 50,
          idleAfterMs: 500,
        },
        t: { source: memorySource([other, traffic(100, 30, 3)]), idleAfterMs: 500 },
      },
      { sorterCapBytes: batchBytes },
    )
    expect(summary.events + summary.late + summary.lateAfterIdle).toBeGreaterThanOrEqual(300)
  })

  it('says nothing where nothing is held', async () => {
    const source = memorySource([traffic(0, 50, 1)])
    const { exceeded, summary } = await runSplits(
      { s: { source } },
      { sorterCapBytes: 2 * batchBytes },
    )
    expect(exceeded).toEqual([])
    expect(summary.bufferedBytesMax).toBeLessThan(2 * batchBytes)
  })
})
