import type { TakenEvent } from '../stream/event.ts'
import { none } from './match-store.ts'

/** A partial match to look at: the state it waits in and what it has taken. */
export interface PartialMatch {
  /** Index of the state in the compiled NFA. */
  readonly state: number
  /** `null`: nothing, it has not started. */
  readonly taken: TakenEvent | null
}

/**
 * What one rule knows of one key: ids of partial matches in the operator's `MatchStore`. It lives
 * in keyed state; the NFA itself is immutable and shared. Most keys have one partial match open,
 * and then no array.
 */
export interface NFAState {
  /** The only partial match that has started, where `heap` is null; `none`: none has. */
  only: number
  /** All partial matches, a heap by start, the one that has not started among them. */
  heap: number[] | null
  /** Matches that wait while a partial match that began earlier is open (emit order `start`). */
  completedMatches: number[]
  /** Ordinal of the next event. */
  nextOrdinal: number
}

/** Whether nothing is open: the key need not be kept. */
export function isEmpty({ only, heap, completedMatches }: NFAState): boolean {
  return only === none && heap === null && completedMatches.length === 0
}
