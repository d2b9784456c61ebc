import type { StateAccess } from '../state/keyed-state-store.ts'
import type { TimerService } from '../time/timer-service.ts'
import type { OutputTag } from './output-tag.ts'

/** Takes the values that a function gives. */
export interface Collector<Out> {
  /** The value goes on with the time of the event or timer that is being processed. */
  collect(value: Out): void
}

/** What a ProcessFunction may know and do besides the value (Flink's Context). */
export interface ProcessContext {
  /** Event time of the event or timer that is being processed, epoch ms. */
  readonly timestamp: number
  /**
   * Gives a value to a side output.
   * @throws {TocsinError} PROGRAM_INVALID if another tag has the same name
   */
  output<T>(tag: OutputTag<T>, value: NoInfer<T>): void
}

/** The context of a keyed function: the key at hand, its state, its timers. */
export interface KeyedProcessContext<K> extends ProcessContext, StateAccess {
  readonly key: K
  readonly timerService: TimerService
}

/** The context of `onTimer`. */
export interface TimerContext<K> extends KeyedProcessContext<K> {
  readonly timeDomain: 'event' | 'processing'
}

/** What a keyed function gets before its first event: handles may be taken, not yet read. */
export interface OpenContext extends StateAccess {
  readonly timerService: TimerService
}

/**
 * A function over the events of each key (Flink's KeyedProcessFunction). It sees a key's events in
 * order of event time. Its timer at T fires after all events up to T, and before those after T.
 */
export interface KeyedProcessFunction<K, In, Out> {
  open?(context: OpenContext): void
  processElement(value: In, context: KeyedProcessContext<K>, collector: Collector<Out>): void
  /** @param timestamp what the timer was registered for, epoch ms */
  onTimer?(timestamp: number, context: TimerContext<K>, collector: Collector<Out>): void
  /** Called once at the end, also when the job has failed. */
  close?(): void
}

/** A function over events in the order in which they arrive (Flink's ProcessFunction). */
export interface ProcessFunction<In, Out> {
  open?(): void
  processElement(value: In, context: ProcessContext, collector: Collector<Out>): void
  /** Called once at the end, also when the job has failed. */
  close?(): void
}
