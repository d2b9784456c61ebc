import type { TakenEvent } from '../stream/event.ts'
import type { MatchStore } from './match-store.ts'
import { isList, listOf, type NFAState, none, notStarted, stateOfList } from './nfa-state.ts'

/** A partial match to look at: the state it waits in and what it has taken. */
export interface PartialMatch {
  /** Index of the state in the compiled NFA. */
  readonly state: number
  /** `null`: nothing, it has not started. */
  readonly taken: TakenEvent | null
}

/** Partial matches in the order of the heap, the one that has not started among them. */
export function openMatchesOf(state: NFAState, { lists }: MatchStore): number[] {
  if (state === none) return [notStarted]
  if (!isList(state)) return [state, notStarted]
  const list = listOf(state)
  return Array.from({ length: lists.openCount(list) }, (_, index) => lists.matchAt(list, index))
}

/** Matches that wait while a partial match that began earlier is open, likewise. */
export function waitingMatchesOf(state: NFAState, { lists }: MatchStore): number[] {
  if (!isList(state)) return []
  const list = listOf(state)
  const open = lists.openCount(list)
  return Array.from({ length: lists.waitingCount(list) }, (_, index) =>
    lists.matchAt(list, open + index),
  )
}

/** Puts a list of partial matches into the store: those that are open, in the order of the heap. */
export function listState(
  open: readonly number[],
  waiting: readonly number[],
  { lists }: MatchStore,
): NFAState {
  const list = lists.write(none, open.length, waiting.length)
  for (const [index, match] of [...open, ...waiting].entries()) lists.set(list, index, match)
  return stateOfList(list)
}
