import type { TakenEvent } from '../stream/event.ts'

/**
 * A partial match: the state it waits in and what it has taken, as a persistent list whose tail
 * is shared with the partial matches that it branched from (D7). Immutable.
 */
export interface PartialMatch {
  /** Index of the state in the compiled NFA. */
  readonly state: number
  readonly taken: TakenEvent | null
  /** Ordinal of the first event among the events of the key: orders partial matches by their start. */
  readonly start: number
  /** Event time of the first event, epoch ms. */
  readonly startTimestamp: number
  /** Of a match that a time limit completed: the moment it ran out, epoch ms. */
  readonly deadline?: number
}

/** Start of the partial match that has taken nothing: after all others. */
export const NOT_STARTED = Number.MAX_SAFE_INTEGER

/** What one rule knows of one key. It lives in keyed state; the NFA itself is immutable and shared. */
export interface NFAState {
  /** A heap by `start` (see partial-match-queue.ts), the one that has not started among them. */
  partialMatches: PartialMatch[]
  /** Matches that wait while a partial match that began earlier is open (emit order `start`). */
  completedMatches: PartialMatch[]
  /** Ordinal of the next event. */
  nextOrdinal: number
}
