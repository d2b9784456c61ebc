import type { CurrentKey } from '../state/current-key.ts'
import type { KeyedStateStore, StateAccess } from '../state/keyed-state-store.ts'
import type { Split } from '../stream/event.ts'
import { keyValueOf } from '../stream/key.ts'
import type { TimerService } from '../time/timer-service.ts'
import type { OutputTag, TaggedOutputs } from './output-tag.ts'
import type { Collector, OpenContext, TimerContext } from './process-function.ts'

/** Context and collector of a keyed operator, for whatever event or timer is being processed. */
export class KeyedContext<K, Out> implements TimerContext<K>, OpenContext, Collector<Out> {
  readonly getState: StateAccess['getState']
  readonly timerService: TimerService
  timestamp = -Infinity
  timeDomain: 'event' | 'processing' = 'event'
  readonly #key: CurrentKey
  readonly #outputs: TaggedOutputs<Out>
  readonly #split: Split
  #emitted = 0
  #emitAt = -Infinity
  /** The key's value, where somebody has asked for it. */
  #decoded: K | undefined

  constructor(
    key: CurrentKey,
    state: KeyedStateStore,
    timerService: TimerService,
    outputs: TaggedOutputs<Out>,
    split: Split,
  ) {
    this.#key = key
    this.getState = state.getState.bind(state)
    this.timerService = timerService
    this.#outputs = outputs
    this.#split = split
  }

  get key(): K {
    this.#decoded ??= keyValueOf(this.#key.text) as K
    return this.#decoded
  }

  /**
   * Turns to the next event, or to a timer of that domain.
   * @param emitAt time of what is emitted, epoch ms
   */
  begin(timestamp: number, timeDomain: 'event' | 'processing', emitAt: number): void {
    this.timestamp = timestamp
    this.#emitAt = emitAt
    this.timeDomain = timeDomain
    this.#decoded = undefined
  }

  collect(value: Out): void {
    this.#outputs.main.processElement(this.#record(value))
  }

  output<T>(tag: OutputTag<T>, value: NoInfer<T>): void {
    this.#outputs.side(tag).processElement(this.#record(value))
  }

  #record<T>(value: T) {
    return { value, timestamp: this.#emitAt, split: this.#split, offset: this.#emitted++ }
  }
}
