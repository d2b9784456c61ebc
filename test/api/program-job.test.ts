import { describe, expect, it } from 'vitest'
import { valueState } from '../../src/state/state-descriptor.ts'
import { memorySource } from '../harness/memory-source.ts'
import { manualEnvironment } from '../harness/program.ts'
import { byField, collect, type Reading, tellTimes } from '../harness/reading-program.ts'

describe('processing time', () => {
  it('fires timers while a source has nothing', async () => {
    const { env, clock } = manualEnvironment(1000)
    const fired: [number, number][] = []
    const idle = Array.from({ length: 20 }, () => 'idle' as const)
    const first = [
      { device: 'a', ts: 1 },
      { device: 'a', ts: 2 },
    ]
    const source = env.from<Reading>(
      memorySource([[first, ...idle, [{ device: 'a', ts: 3 }]]]),
      byField,
    )
    const sink = collect(
      source
        .keyBy(({ device }) => device)
        .process<string>({
          processElement({ ts }, { timerService }) {
            if (ts === 1) timerService.registerProcessingTimeTimer(1100)
          },
          onTimer(timestamp, { key, timeDomain }, collector) {
            fired.push([timestamp, clock.now()])
            collector.collect(`${key} ${timeDomain} ${timestamp}`)
          },
        }),
    )
    await env.execute()
    expect(sink.values).toEqual(['a processing 1100'])
    expect(fired.map(([timer, now]) => [timer, now >= 1100 && now < 1130])).toEqual([[1100, true]])
  })

  it('fires timers while a source does not answer', async () => {
    const { env } = manualEnvironment(1000)
    const source = memorySource([
      [
        [
          { device: 'a', ts: 1 },
          { device: 'a', ts: 2 },
        ],
      ],
    ])
    let answer: () => void = () => undefined
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const slow = {
      bounded: true,
      async open(stream: string) {
        const [reader] = await source.open(stream)
        let polls = 0
        return [
          {
            ...reader!,
            pollBatch: async () =>
              polls++ === 0 ? reader!.pollBatch() : answered.then(() => reader!.pollBatch()),
          },
        ]
      },
    }
    const sink = collect(
      env
        .from<Reading>(slow, byField)
        .keyBy(({ device }) => device)
        .process<string>({
          processElement({ ts }, { timerService }) {
            if (ts === 1) timerService.registerProcessingTimeTimer(1500)
          },
          onTimer(timestamp, _, collector) {
            collector.collect(`timer ${timestamp}`)
            answer()
          },
        }),
    )
    await env.execute()
    expect(sink.values).toEqual(['timer 1500'])
  })

  it('lets state with a TTL go, though nobody reads it', async () => {
    const { env } = manualEnvironment(1000)
    const seen = valueState<boolean>('seen', { ttl: { ttlMs: 100 } })
    const idle = Array.from({ length: 20 }, () => 'idle' as const)
    const source = env.from<Reading>(
      memorySource([
        [
          [
            { device: 'a', ts: 1 },
            { device: 'b', ts: 2 },
          ],
          ...idle,
        ],
      ]),
      byField,
    )
    source
      .keyBy(({ device }) => device)
      .process<never>({
        processElement: (_, { getState }) => getState(seen).update(true),
      })
    const { openKeys } = await env.execute()
    expect(openKeys).toBe(1)
  })
})

describe('a run', () => {
  it('fails with what a function throws: readers and functions closed, sinks discarded', async () => {
    const { env } = manualEnvironment()
    const source = memorySource([[[{ ts: 1 }], [{ ts: 2 }]], []])
    const life: string[] = []
    const stream = env.from<Reading>(source, byField).process<number>({
      open: () => life.push('open'),
      processElement({ ts }, _, collector) {
        if (ts === 2) throw new RangeError('two')
        collector.collect(ts)
      },
      close: () => life.push('close'),
    })
    const sink = collect(stream)
    await expect(env.execute()).rejects.toThrow(new RangeError('two'))
    expect([life, sink.ended, source.openReaders]).toEqual([['open', 'close'], 'discarded', 0])
  })

  it('fails with what a source throws', async () => {
    const { env } = manualEnvironment()
    const source = memorySource([[[{ ts: 1 }], new Error('disk')]])
    const sink = collect(env.from(source, byField))
    await expect(env.execute()).rejects.toThrow('disk')
    expect([sink.ended, source.openReaders]).toEqual(['discarded', 0])
  })

  it('is stopped before its next batch, without timers for the end', async () => {
    const { env } = manualEnvironment()
    const numbers = env.fromElements([1, 2, 3, 4], { batchSize: 2 })
    const sink = collect(
      numbers
        .map((n) => {
          if (n === 2) env.stop()
          return n
        })
        .keyBy(() => 'all')
        .process(tellTimes()),
    )
    const { events } = await env.execute()
    expect([sink.values, events, sink.ended]).toEqual([['all 0'], 2, 'closed'])
  })

  it('happens once', async () => {
    const { env } = manualEnvironment()
    const numbers = env.fromElements([1])
    await env.execute()
    await expect(env.execute()).rejects.toThrow('the program has been executed')
    expect(() => numbers.map((n) => n)).toThrow('the program has been executed')
    expect(() => env.fromElements([1])).toThrow('the program has been executed')
  })

  it('reads a stream once', () => {
    const { env } = manualEnvironment()
    env.from(memorySource([]), byField)
    expect(() => env.from(memorySource([]), byField)).toThrow(
      "the program reads a stream 'readings' already",
    )
  })
})
