import type { DataStream } from '../../src/api/data-stream.ts'
import type { KeyedProcessFunction } from '../../src/operator/process-function.ts'
import { CollectingSink } from './collecting-sink.ts'

/** What a device sends in tests of programs. */
export interface Reading {
  readonly device: string
  readonly ts: number
  readonly value?: number
}

/** How readings tell their time. */
export const byField = { stream: 'readings', time: { field: 'ts' } } as const

/** Sends a stream to a sink that keeps it. */
export function collect<T>(stream: DataStream<T>): CollectingSink {
  const sink = new CollectingSink()
  stream.sinkTo(sink)
  return sink
}

/** Tells of each event and, ten ms later, of a timer. */
export function tellTimes<T>(): KeyedProcessFunction<string, T, string> {
  return {
    processElement(_, { key, timestamp, timerService }, collector) {
      collector.collect(`${key} ${timestamp}`)
      timerService.registerEventTimeTimer(timestamp + 10)
    },
    onTimer(timestamp, { key }, collector) {
      collector.collect(`${key} timer ${timestamp}`)
    },
  }
}
