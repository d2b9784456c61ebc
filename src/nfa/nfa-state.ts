/** Stands for "none" where an id is expected. */
export const none = -1

/** The partial match that has taken nothing: the same for all keys and patterns, never freed. */
export const notStarted = 0

/** Stands where the state of a partial match would for events that are left for later: see `LazyNFA`. */
export const deferred = -2

/**
 * What one rule knows of one key, as a number that means something to the operator's `MatchStore`:
 * `none`, the only partial match that has started, or a list of several and of matches that wait
 * (below `none`). It lives in keyed state; the NFA itself is immutable and shared.
 */
export type NFAState = number

const listsFrom = -2

export function isList(state: NFAState): boolean {
  return state <= listsFrom
}

/** The list in the store's `lists` that a state stands for. */
export function listOf(state: NFAState): number {
  return listsFrom - state
}

/** The state that stands for a list. */
export function stateOfList(list: number): NFAState {
  return listsFrom - list
}
