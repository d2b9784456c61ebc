import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyedProcessOperator } from '../../src/operator/keyed-process-operator.ts'
import { outputTag, TaggedOutputs } from '../../src/operator/output-tag.ts'
import type { KeyedProcessFunction } from '../../src/operator/process-function.ts'
import type { StreamRecord } from '../../src/operator/stream-record.ts'
import { listState, valueState } from '../../src/state/state-descriptor.ts'
import { ManualClock } from '../../src/time/clock.ts'

/** An event: its key, its time, and its text. */
interface Reading {
  readonly key: string
  readonly at: number
  readonly text?: string
}

const split = { stream: 'readings', partition: 0 }

/** Runs a function over records and watermarks handed in by the test. */
function harness<Out>(processFunction: KeyedProcessFunction<string, Reading, Out>, now = 0) {
  const outputs = new TaggedOutputs<Out>()
  const out: StreamRecord<Out>[] = []
  const watermarks: number[] = []
  const late: Reading[] = []
  const keyless: string[] = []
  outputs.main.addReceiver({
    addSplit: () => undefined,
    processElement: (record) => out.push(record),
    advanceWatermark: (watermark) => watermarks.push(watermark),
    markIdle: () => undefined,
  })
  const clock = new ManualClock(now)
  const operator = new KeyedProcessOperator(processFunction, outputs, {
    name: 'process',
    selectKey: (value: Reading) => value.key,
    clock,
    onLate: ({ value }) => late.push(value),
    onKeyless: (_, failure) => keyless.push(failure),
  })
  operator.addSplit(split)
  operator.open()
  let offset = 0
  return {
    operator,
    outputs,
    clock,
    watermarks,
    late,
    keyless,
    records: out,
    get values() {
      return out.map(({ value }) => value)
    },
    offer(...readings: Reading[]) {
      for (const value of readings) {
        operator.processElement({ value, timestamp: value.at, split, offset: offset++ })
      }
    },
  }
}

/** Tells of every event, and of every timer, which each event registers for the times given. */
function telling(timersOf: (reading: Reading) => number[], again?: (timestamp: number) => number) {
  return {
    processElement(value, { key, timestamp, timerService }, collector) {
      collector.collect(`${key} event ${timestamp} at ${timerService.currentWatermark()}`)
      for (const timer of timersOf(value)) timerService.registerEventTimeTimer(timer)
    },
    onTimer(timestamp, { key, timerService, timeDomain }, collector) {
      collector.collect(
        `${key} ${timeDomain} timer ${timestamp} at ${timerService.currentWatermark()}`,
      )
      if (again !== undefined) timerService.registerEventTimeTimer(again(timestamp))
    },
  } satisfies KeyedProcessFunction<string, Reading, string>
}

describe('event-time timers', () => {
  it('fire after all events up to their time and before those after it', () => {
    const run = harness(telling(({ at }) => [at + 10]))
    run.offer({ key: 'a', at: 0 }, { key: 'b', at: 11 }, { key: 'b', at: 10 }, { key: 'a', at: 10 })
    run.operator.advanceWatermark(15)
    expect(run.values).toEqual([
      'a event 0 at -1',
      'b event 10 at 9',
      'a event 10 at 9',
      'a event timer 10 at 10',
      'b event 11 at 10',
    ])
  })

  it('fire once for each key and time, in order of time, and not if they were deleted', () => {
    const run = harness({
      processElement(_, { timerService }) {
        for (const at of [30, 20, 30, 20.7, 40, 10]) timerService.registerEventTimeTimer(at)
        timerService.deleteEventTimeTimer(40)
        timerService.deleteEventTimeTimer(99)
      },
      onTimer(timestamp, { key, timerService }, collector) {
        collector.collect(`${key} ${timestamp}`)
        if (timestamp === 10 && key === 'b') timerService.deleteEventTimeTimer(20)
      },
    } satisfies KeyedProcessFunction<string, Reading, string>)
    run.offer({ key: 'a', at: 1 }, { key: 'a', at: 2 }, { key: 'b', at: 3 })
    run.operator.advanceWatermark(29)
    run.operator.advanceWatermark(30)
    run.operator.advanceWatermark(1000)
    expect([run.values, run.operator.openKeys]).toEqual([
      ['a 10', 'b 10', 'a 20', 'a 30', 'b 30'],
      0,
    ])
  })

  it('fire with the next step of time where their time has passed, and make no late events', () => {
    const run = harness(telling(({ at }) => (at === 50 ? [5] : [])))
    run.offer({ key: 'a', at: 40 })
    run.operator.advanceWatermark(45)
    run.offer({ key: 'a', at: 50 }, { key: 'a', at: 60 })
    run.operator.advanceWatermark(70)
    expect(run.records.map(({ value, timestamp }) => [value, timestamp])).toEqual([
      ['a event 40 at 39', 40],
      ['a event 50 at 49', 50],
      ['a event timer 5 at 49', 46],
      ['a event 60 at 59', 60],
    ])
  })

  it('fire once each at the end of input, and none is registered any more', () => {
    const run = harness(
      telling(
        ({ at }) => [at + 10, at + 5],
        (timestamp) => timestamp + 10,
      ),
    )
    run.offer({ key: 'a', at: 0 }, { key: 'b', at: 12 })
    run.operator.advanceWatermark(Infinity)
    expect([run.values, run.watermarks, run.operator.openKeys]).toEqual([
      [
        'a event 0 at -1',
        'a event timer 5 at 5',
        'a event timer 10 at 10',
        'b event 12 at 11',
        'a event timer 15 at 15',
        'b event timer 17 at 17',
        'a event timer 20 at 20',
        'b event timer 22 at 22',
      ],
      [Infinity],
      0,
    ])
  })

  it('refuse what is no time', () => {
    const run = harness(telling(() => [Number.NaN]))
    run.offer({ key: 'a', at: 0 })
    expect(() => run.operator.advanceWatermark(1)).toThrow("a timer's time is epoch ms, not NaN")
  })

  it('leave nothing behind where each event moves its timer on', () => {
    const deadline = valueState<number>('deadline')
    const run = harness({
      processElement({ at }, { timerService, getState }) {
        const state = getState(deadline)
        const old = state.value()
        if (old !== undefined) timerService.deleteEventTimeTimer(old)
        timerService.registerEventTimeTimer(at + 100)
        state.update(at + 100)
      },
      onTimer(timestamp, { key, getState }, collector) {
        getState(deadline).clear()
        collector.collect(`${key} silent at ${timestamp}`)
      },
    } satisfies KeyedProcessFunction<string, Reading, string>)
    for (let at = 0; at < 1000; at += 10) run.offer({ key: 'a', at })
    run.offer({ key: 'b', at: 500 })
    run.operator.advanceWatermark(5000)
    expect([run.values, run.operator.openKeys]).toEqual([
      ['b silent at 600', 'a silent at 1090'],
      0,
    ])
  })
})

describe('processing-time timers', () => {
  const flushing = {
    processElement(_, { timerService }) {
      const due = timerService.currentProcessingTime() + 100
      timerService.registerProcessingTimeTimer(due)
      timerService.registerProcessingTimeTimer(due + 50)
      timerService.deleteProcessingTimeTimer(due + 50)
    },
    onTimer(timestamp, { key, timeDomain, timerService }, collector) {
      collector.collect(`${key} ${timeDomain} ${timestamp}`)
      timerService.registerProcessingTimeTimer(timestamp + 1000)
    },
  } satisfies KeyedProcessFunction<string, Reading, string>

  it('fire by the clock, with what they emit in time for the next operators', () => {
    const run = harness(flushing, 5000)
    run.offer({ key: 'a', at: 7 }, { key: 'a', at: 8 })
    run.operator.advanceWatermark(20)
    const next = run.operator.nextProcessingTimer
    for (const now of [5099, 5100, 5101]) run.operator.advanceProcessingTime(now)
    expect(next).toBe(5100)
    expect(run.records.map(({ value, timestamp }) => [value, timestamp])).toEqual([
      ['a processing 5100', 21],
    ])
  })

  it('fire once at the end of input', () => {
    const run = harness(flushing, 5000)
    run.offer({ key: 'a', at: 7 }, { key: 'b', at: 8 })
    run.operator.advanceWatermark(Infinity)
    run.operator.advanceProcessingTime(1_000_000)
    expect([run.values, run.operator.openKeys]).toEqual([
      ['a processing 5100', 'b processing 5100'],
      0,
    ])
  })
})

describe('a keyed process function', () => {
  it('keeps state apart by key, and knows the key with its type', () => {
    const seen = listState<string>('seen')
    const run = harness({
      processElement({ text = '' }, { getState }, collector) {
        getState(seen).add(text)
        collector.collect(getState(seen).get().join(''))
      },
    } satisfies KeyedProcessFunction<string, Reading, string>)
    run.offer(
      { key: 'a', at: 1, text: 'x' },
      { key: 'b', at: 2, text: 'y' },
      { key: 'a', at: 3, text: 'z' },
    )
    run.operator.advanceWatermark(3)
    expect([run.values, run.operator.openKeys]).toEqual([['x', 'y', 'xz'], 2])
  })

  it('gives side outputs their own values and the time of the event', () => {
    const tag = outputTag<number>('lengths')
    const run = harness({
      processElement({ text = '' }, context) {
        context.output(tag, text.length)
      },
    } satisfies KeyedProcessFunction<string, Reading, string>)
    const side: [number, number][] = []
    run.outputs.side(tag).addReceiver({
      addSplit: () => undefined,
      processElement: ({ value, timestamp }) => side.push([value, timestamp]),
      advanceWatermark: () => undefined,
      markIdle: () => undefined,
    })
    run.offer({ key: 'a', at: 4, text: 'four' })
    run.operator.advanceWatermark(4)
    expect([run.values, side]).toEqual([[], [[4, 4]]])
    expect(() => run.outputs.side(outputTag<string>('lengths'))).toThrow(
      "two output tags are named 'lengths'",
    )
  })

  it('is not given what is late or has no key', () => {
    const run = harness(telling(() => []))
    run.offer({ key: 'a', at: 10 })
    run.operator.advanceWatermark(10)
    run.offer(
      { key: 'a', at: 10 },
      { key: null as unknown as string, at: 20 },
      { key: 'a', at: 11 },
    )
    run.operator.advanceWatermark(30)
    expect([run.values, run.late, run.keyless]).toEqual([
      ['a event 10 at 9', 'a event 11 at 10'],
      [{ key: 'a', at: 10 }],
      ['null'],
    ])
  })

  it('answers the same however its input is cut by watermarks and shuffled between them', () => {
    const reading = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      at: fc.integer({ min: 0, max: 60 }),
    })
    const timers = ({ at }: Reading) => [at + 7, at + (at % 5)]
    const whole = (readings: Reading[], cuts: number[]) => {
      const run = harness(telling(timers, (timestamp) => timestamp + 20))
      const cut = (from: number, to: number) => readings.filter(({ at }) => at > from && at <= to)
      let from = -1
      for (const to of [...cuts].sort((a, b) => a - b)) {
        run.offer(...cut(from, to))
        run.operator.advanceWatermark(to)
        from = Math.max(from, to)
      }
      run.offer(...cut(from, 100))
      // Time goes on to 100 in every run, so that what re-arms itself stops at the same place.
      run.operator.advanceWatermark(100)
      run.operator.advanceWatermark(Infinity)
      return run.values
    }
    fc.assert(
      fc.property(
        fc.array(reading, { maxLength: 30 }),
        fc.array(fc.integer({ min: 0, max: 60 })),
        (readings, cuts) => {
          const bulk = [...readings].sort((a, b) => a.at - b.at)
          expect(whole(readings, cuts)).toEqual(whole(bulk, []))
        },
      ),
      { numRuns: 200, seed: 7 },
    )
  })
})
