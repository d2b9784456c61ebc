import type { Event, TakenEvent } from '../stream/event.ts'

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
  /** The first event; its time starts the time limit. */
  readonly first: Event | null
  /** Of a match that a time limit completed: the moment it ran out, epoch ms. */
  readonly deadline?: number
}

/** Start of the partial match that has taken nothing: after all others. */
export const NOT_STARTED = Number.MAX_SAFE_INTEGER

/**
 * What one rule knows of one key. It lives in keyed state; the NFA itself is immutable and shared.
 * Most keys have one partial match open, and then no array.
 */
export interface NFAState {
  /** The only partial match that has started, where `heap` is null; `null`: none has. */
  only: PartialMatch | null
  /** All partial matches, a heap by `start`, the one that has not started among them. */
  heap: PartialMatch[] | null
  /** Matches that wait while a partial match that began earlier is open (emit order `start`). */
  completedMatches: PartialMatch[]
  /** Ordinal of the next event. */
  nextOrdinal: number
}

/** Whether nothing is open: the key need not be kept. */
export function isEmpty({ only, heap, completedMatches }: NFAState): boolean {
  return only === null && heap === null && completedMatches.length === 0
}
