import type { TakenEvent } from '../stream/event.ts'

/** A partial match to look at: the state it waits in and what it has taken. */
export interface PartialMatch {
  /** Index of the state in the compiled NFA. */
  readonly state: number
  /** `null`: nothing, it has not started. */
  readonly taken: TakenEvent | null
}

/**
 * What one rule knows of one key, in ids of the operator's `MatchStore`: the only partial match
 * that has started, `none` if none has, or several. It lives in keyed state; the NFA itself is
 * immutable and shared. Most keys have one open, and then nothing but a small number.
 */
export type NFAState = number | OpenMatches

/** The partial matches of a key that has more than one, or matches that wait. */
export interface OpenMatches {
  /** A heap by start, the one that has not started among them. */
  heap: number[]
  /** Matches that wait while a partial match that began earlier is open (emit order `start`). */
  completedMatches: number[]
}
