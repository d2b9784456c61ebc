import { describe, expect, it } from 'vitest'
import { outputTag } from '../../src/operator/output-tag.ts'
import type { KeyedProcessFunction, ProcessFunction } from '../../src/operator/process-function.ts'
import { reducingState, valueState } from '../../src/state/state-descriptor.ts'
import { CollectingSink } from '../harness/collecting-sink.ts'
import { memorySource } from '../harness/memory-source.ts'
import { manualEnvironment } from '../harness/program.ts'
import { byField, collect, type Reading, tellTimes } from '../harness/reading-program.ts'

describe('a stream', () => {
  it('goes through map, filter and flatMap in order, to as many sinks as there are', async () => {
    const { env } = manualEnvironment()
    const numbers = env.fromElements([1, 2, 3, 4], { batchSize: 3 })
    const odd = collect(numbers.filter((n) => n % 2 === 1))
    const words = collect(numbers.map((n) => 'x'.repeat(n)).flatMap((word) => [word, word.length]))
    const summary = await env.execute()
    expect([odd.values, words.values, odd.ended]).toEqual([
      [1, 3],
      ['x', 1, 'xx', 2, 'xxx', 3, 'xxxx', 4],
      'closed',
    ])
    expect(summary).toEqual({ events: 4, late: 0, lateAfterIdle: 0, deadLetters: 0, openKeys: 0 })
  })

  it('is written in its own form, streams that share a sink too', async () => {
    const { env } = manualEnvironment()
    const sink = new CollectingSink()
    const numbers = env.fromElements([1, 2])
    numbers.sinkTo(sink, (n) => `first ${n}`)
    numbers.sinkTo(sink, (n) => `second ${n}`)
    await env.execute()
    expect(sink.documents).toEqual(['first 1', 'first 2', 'second 1', 'second 2'])
  })

  it('goes through a process function without keys, side outputs beside it', async () => {
    const { env } = manualEnvironment()
    const odd = outputTag<string>('odd')
    const life: string[] = []
    const split: ProcessFunction<number, number> = {
      open: () => life.push('open'),
      processElement(value, context, collector) {
        if (value % 2 === 0) collector.collect(value)
        else context.output(odd, `${value} at ${context.timestamp}`)
      },
      close: () => life.push('close'),
    }
    const stream = env.fromElements([1, 2, 3], { timestamp: (n) => n * 100 }).process(split)
    const sinks = [collect(stream), collect(stream.getSideOutput(odd))]
    await env.execute()
    expect([sinks.map(({ values }) => values), life]).toEqual([
      [[2], ['1 at 100', '3 at 300']],
      ['open', 'close'],
    ])
  })
})

describe('a keyed stream', () => {
  it('sees the events of all splits in order of time, timers between them', async () => {
    const run = async (splits: Reading[][][]) => {
      const { env } = manualEnvironment()
      const readings = env.from<Reading>(memorySource(splits), {
        ...byField,
        watermarks: { outOfOrdernessMs: 5 },
      })
      const sink = collect(readings.keyBy(({ device }) => device).process(tellTimes()))
      await env.execute()
      return sink.values
    }
    const a = [3, 1, 12, 9, 40].map((ts) => ({ device: 'a', ts }))
    const b = [2, 13, 14, 30].map((ts) => ({ device: 'b', ts }))
    const expected = [
      ...['a 1', 'b 2', 'a 3', 'a 9', 'a timer 11', 'a 12', 'b timer 12', 'b 13', 'a timer 13'],
      ...['b 14', 'a timer 19', 'a timer 22', 'b timer 23', 'b timer 24', 'b 30'],
      ...['a 40', 'b timer 40', 'a timer 50'],
    ]
    expect(await run([[a], [b]])).toEqual(expected)
    expect(await run([a.map((event) => [event]), [b.slice(0, 1), b.slice(1)]])).toEqual(expected)
  })

  it('carries time through chains: one keyed operator behind another', async () => {
    const { env } = manualEnvironment()
    const total = reducingState<number>('total', (x, y) => x + y)
    const perDevice: KeyedProcessFunction<string, Reading, Reading> = {
      processElement({ value = 0 }, { getState, timerService, timestamp }) {
        getState(total).add(value)
        timerService.registerEventTimeTimer(Math.floor(timestamp / 10) * 10 + 9)
      },
      onTimer(timestamp, { key, getState }, collector) {
        collector.collect({ device: key, ts: timestamp, value: getState(total).get() ?? 0 })
        getState(total).clear()
      },
    }
    const most = valueState<number>('most')
    const greatest: KeyedProcessFunction<number, Reading, [number, number]> = {
      processElement({ value = 0 }, { getState, timerService, timestamp }) {
        getState(most).update(Math.max(getState(most).value() ?? 0, value))
        timerService.registerEventTimeTimer(timestamp)
      },
      onTimer(timestamp, { getState }, collector) {
        collector.collect([timestamp, getState(most).value() ?? 0])
        getState(most).clear()
      },
    }
    const events = [
      { device: 'a', ts: 1, value: 5 },
      { device: 'b', ts: 2, value: 7 },
      { device: 'a', ts: 9, value: 3 },
      { device: 'b', ts: 12, value: 1 },
      { device: 'a', ts: 25, value: 2 },
    ]
    const sink = collect(
      env
        .fromElements(events, { timestamp: ({ ts }) => ts, batchSize: 2 })
        .keyBy(({ device }) => device)
        .process(perDevice)
        .keyBy(({ ts }) => ts)
        .process(greatest),
    )
    const { openKeys } = await env.execute()
    expect([sink.values, openKeys]).toEqual([
      [
        [9, 8],
        [19, 1],
        [29, 2],
      ],
      0,
    ])
  })

  it('knows keys apart by type and puts those without one into dead letters', async () => {
    const { env, rejected } = manualEnvironment()
    const count = reducingState<number>('count', (x, y) => x + y)
    const events: { id: string | number | (string | number)[] | null }[] = [
      { id: 1 },
      { id: '1' },
      { id: 1.0 },
      { id: null },
      { id: ['a', 1] },
      { id: ['a', '1'] },
      { id: ['a', 1] },
    ]
    const sink = collect(
      env
        .fromElements(events)
        .keyBy(({ id }) => id as string | number | (string | number)[])
        .process<[unknown, number | undefined]>({
          processElement(_, { key, getState }, collector) {
            getState(count).add(1)
            collector.collect([key, getState(count).get()])
          },
        }),
    )
    const summary = await env.execute()
    expect(sink.values).toEqual([
      [1, 1],
      ['1', 1],
      [1, 2],
      [['a', 1], 1],
      [['a', '1'], 1],
      [['a', 1], 2],
    ])
    expect([summary.deadLetters, summary.openKeys, rejected]).toEqual([
      1,
      4,
      [
        {
          kind: 'dead_letter',
          cause: 'key',
          stream: 'elements-0',
          partition: 0,
          offset: 3,
          reason: 'its key is null',
          raw: '{"id":null}',
        },
      ],
    ])
  })
})

describe('a union', () => {
  it('has the least time of its streams', async () => {
    const { env } = manualEnvironment()
    const slow = env.from<Reading>(
      memorySource([[[{ device: 'slow', ts: 1 }], [{ device: 'slow', ts: 50 }]]]),
      { ...byField, stream: 'slow' },
    )
    const fast = env.from<Reading>(
      memorySource([
        [
          [
            { device: 'fast', ts: 20 },
            { device: 'fast', ts: 60 },
          ],
          [{ device: 'fast', ts: 70 }],
        ],
      ]),
      { ...byField, stream: 'fast' },
    )
    const sink = collect(
      fast
        .union(slow.map((reading) => reading))
        .keyBy(() => 'all')
        .process<string>({
          processElement({ device, ts }, { timerService }, collector) {
            collector.collect(`${device} ${ts}`)
            timerService.registerEventTimeTimer(ts + 15)
          },
          onTimer: (timestamp, _, collector) => collector.collect(`timer ${timestamp}`),
        }),
    )
    const { lateAfterIdle } = await env.execute()
    expect([sink.values, lateAfterIdle]).toEqual([
      [
        ...['slow 1', 'timer 16', 'fast 20', 'timer 35', 'slow 50', 'fast 60', 'timer 65'],
        ...['fast 70', 'timer 75', 'timer 85'],
      ],
      0,
    ])
  })

  it('takes a stream and what was made of it', async () => {
    const { env } = manualEnvironment()
    const numbers = env.fromElements([1, 2])
    const sink = collect(
      numbers
        .union(numbers.map((n) => n * 10))
        .keyBy(() => 'all')
        .process(tellTimes()),
    )
    await env.execute()
    expect(sink.values).toEqual([
      ...['all 0', 'all 0', 'all 1', 'all 1', 'all timer 10', 'all timer 11'],
    ])
  })

  it('refuses a stream of another environment', () => {
    const other = manualEnvironment().env.fromElements([1])
    expect(() => manualEnvironment().env.fromElements([1]).union(other)).toThrow(
      'a union takes streams of one environment only',
    )
  })
})
