import { describe, expect, it } from 'vitest'
import { generatorSource } from '../../connectors/generator/source.ts'
import { SplitReader } from '../../src/runtime/split-reader.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'

const source = generatorSource({
  kind: 'payments',
  seed: 1,
  count: 5000,
  startMs: 0,
  eventsPerSecond: 5,
})

const host = {
  clock: new ManualClock(),
  scheduler: { sleep: async () => undefined },
}

describe('a split reader', () => {
  it.each([
    ['live', new ManualClock()],
    ['of history', null],
  ])('is where the batches that were taken end, not those read ahead: %s', async (_, clock) => {
    const options = {
      operator: undefined as never,
      split: 0,
      watermarks: defaultWatermarkStrategy,
      ingestClock: clock,
      host,
    }
    const [reader] = await source.open('s')
    const first = new SplitReader({ reader: reader!, ...options })
    const seen: unknown[] = [first.position]
    await first.fetch()
    seen.push(first.position)
    const taken = first.take()
    const position = first.position
    const [resumed] = await source.open('s', new Map([[0, position!]]))
    const second = new SplitReader({ reader: resumed!, ...options, position })
    seen.push(second.position)
    const { count, offsets } = (taken as Extract<typeof taken, { kind: 'batch' }>).batch
    expect([...seen, position?.offset]).toEqual([
      undefined,
      undefined,
      position,
      offsets[count - 1]! + 1,
    ])
    await first.reader.close()
    await second.reader.close()
  })
})
