import { describe, expect, it } from 'vitest'
import { outputTag } from '../../src/operator/output-tag.ts'
import type { ProcessFunction } from '../../src/operator/process-function.ts'
import { memorySource } from '../harness/memory-source.ts'
import { manualEnvironment } from '../harness/program.ts'
import { byField, collect, type Reading, tellTimes } from '../harness/reading-program.ts'

describe('a source', () => {
  it('takes the time from a function, and parses each record once', async () => {
    const { env, rejected } = manualEnvironment()
    let parsed = 0
    const records = [{ at: { s: 2 } }, { at: {} }, { nothing: 1 }, '{"at":', { at: { s: 3.5 } }]
    const source = env.from<{ s: number }>(memorySource([[records]]), {
      stream: 'readings',
      time: ({ s }) => s * 1000,
      parse(json) {
        parsed++
        const { at } = json as { at?: { s: number } }
        if (at === undefined) throw new Error('no at')
        return at
      },
    })
    const process: ProcessFunction<{ s: number }, number> = {
      processElement: (_, { timestamp }, collector) => collector.collect(timestamp),
    }
    const sinks = [
      collect(source.process(process)),
      collect(source.deadLetters().map(({ offset }) => offset)),
    ]
    const summary = await env.execute()
    expect([sinks.map(({ values }) => values), parsed, summary.deadLetters]).toEqual([
      [
        [2000, 3500],
        [3, 1, 2],
      ],
      4,
      3,
    ])
    expect(rejected.map(({ offset, reason }) => [offset, reason.slice(0, 60)]).slice(1)).toEqual([
      [1, 'the assigned time is no whole number of ms in range: NaN'],
      [2, 'no at'],
    ])
  })

  it('puts into dead letters what cannot be parsed, where the time is a field', async () => {
    const { env } = manualEnvironment()
    const source = env.from<number>(
      memorySource([[[{ t: { x: 1 } }, { t: { x: 2 } }, { t: {} }]]]),
      {
        stream: 'readings',
        time: { field: ['t', 'x'], unit: 's' },
        parse(json) {
          const { x } = (json as { t: { x: number } }).t
          if (x === 2) throw new Error('two')
          return x
        },
      },
    )
    const sinks = [collect(source), collect(source.deadLetters().map(({ reason }) => reason))]
    const { deadLetters } = await env.execute()
    expect([sinks.map(({ values }) => values), deadLetters]).toEqual([
      [[1], ["time field 't.x' is missing", 'two']],
      2,
    ])
  })

  it('gives late events to their output, where even keyed operators take them', async () => {
    const { env } = manualEnvironment()
    const times = [10, 20, 12, 13, 21]
    const source = env.from<Reading>(memorySource([times.map((ts) => [{ device: 'a', ts }])]), {
      ...byField,
      watermarks: { outOfOrdernessMs: 6 },
    })
    const late = source.lateOutput()
    const sinks = [
      collect(source.map(({ ts }) => ts)),
      collect(late.map(({ kind, offset, raw }) => [kind, offset, raw])),
      collect(
        late
          .keyBy(({ stream }) => stream)
          .process<number>({
            processElement: ({ offset }, _, collector) => collector.collect(offset),
          }),
      ),
    ]
    const summary = await env.execute()
    expect(sinks.map(({ values }) => values)).toEqual([
      [10, 20, 21],
      [
        ['late', 2, '{"device":"a","ts":12}'],
        ['late', 3, '{"device":"a","ts":13}'],
      ],
      [2, 3],
    ])
    expect([summary.events, summary.late]).toEqual([3, 2])
  })

  it('lets time go on without a split that is idle, and counts apart what comes too late by that', async () => {
    const { env } = manualEnvironment()
    const idle = Array.from({ length: 10 }, () => 'idle' as const)
    const quiet = [[{ device: 'quiet', ts: 1 }], ...idle, [{ device: 'quiet', ts: 30 }]]
    const busy = [10, 100, 200].map((ts) => [{ device: 'busy', ts }])
    const source = env.from<Reading>(memorySource([quiet, [...busy, ...idle, ...idle]]), {
      ...byField,
      watermarks: { idleAfterMs: 60 },
    })
    const lateTo = outputTag<Reading>('late')
    const stream = source.keyBy(({ device }) => device).process(tellTimes(), { lateTo })
    const sinks = [collect(stream), collect(stream.getSideOutput(lateTo))]
    const summary = await env.execute()
    expect(sinks.map(({ values }) => values)).toEqual([
      [
        ...['quiet 1', 'busy 10', 'quiet timer 11', 'busy timer 20', 'busy 100', 'busy timer 110'],
        ...['busy 200', 'busy timer 210'],
      ],
      [{ device: 'quiet', ts: 30 }],
    ])
    expect([summary.lateAfterIdle, summary.late]).toEqual([1, 0])
  })
})
