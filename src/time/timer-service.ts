import { TocsinError } from '../errors.ts'
import type { CurrentKey } from '../state/current-key.ts'
import type { Clock } from './clock.ts'
import { TimerIndex } from './timer-index.ts'

/**
 * Time and timers of a keyed ProcessFunction (Flink's TimerService). A timer belongs to the key at
 * hand; a key has at most one for each time. Times are epoch ms, and cut to whole ones.
 */
export interface TimerService {
  /** Every event of the operator up to this event time has been seen; minus infinity at first. */
  currentWatermark(): number
  currentProcessingTime(): number
  /**
   * Fires when the watermark reaches the time: after all events up to it. One that is registered
   * for a time that has passed fires with the next step of event time.
   * @throws {TocsinError} PROGRAM_INVALID if the time is not a number
   */
  registerEventTimeTimer(timestamp: number): void
  /** @throws {TocsinError} PROGRAM_INVALID if the time is not a number */
  registerProcessingTimeTimer(timestamp: number): void
  /** Deleting a timer that is not there is nothing. */
  deleteEventTimeTimer(timestamp: number): void
  deleteProcessingTimeTimer(timestamp: number): void
}

/** How many slots of an entry the timers take, from the first. */
export const timerSlots = 2

/** The timers of one keyed operator, in both time domains. */
export class KeyedTimerService implements TimerService {
  readonly eventTimers: TimerIndex
  readonly processingTimers: TimerIndex
  /** Moved by the operator, epoch ms. */
  watermark = -Infinity
  readonly #clock: Clock

  constructor(key: CurrentKey, clock: Clock) {
    this.eventTimers = new TimerIndex(key, 0)
    this.processingTimers = new TimerIndex(key, 1)
    this.#clock = clock
  }

  currentWatermark(): number {
    return this.watermark
  }

  currentProcessingTime(): number {
    return this.#clock.now()
  }

  registerEventTimeTimer(timestamp: number): void {
    this.eventTimers.register(wholeTime(timestamp))
  }

  registerProcessingTimeTimer(timestamp: number): void {
    this.processingTimers.register(wholeTime(timestamp))
  }

  deleteEventTimeTimer(timestamp: number): void {
    this.eventTimers.delete(wholeTime(timestamp))
  }

  deleteProcessingTimeTimer(timestamp: number): void {
    this.processingTimers.delete(wholeTime(timestamp))
  }
}

function wholeTime(timestamp: number): number {
  if (Number.isFinite(timestamp)) return Math.floor(timestamp)
  throw new TocsinError('PROGRAM_INVALID', `a timer's time is epoch ms, not ${timestamp}`)
}
