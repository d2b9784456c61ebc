import { LazyNFA } from '../nfa/lazy-nfa.ts'
import type { NFA } from '../nfa/nfa.ts'
import type { NFAState } from '../nfa/nfa-state.ts'
import { none } from '../nfa/nfa-state.ts'
import type { NumberEntry } from '../state/keyed-state-backend.ts'
import type { Event } from '../stream/event.ts'

/** A rule's pattern as a CepOperator runs it. */
export interface CepPattern {
  readonly nfa: NFA
  /** Predicate that an event must fit to exist for this pattern; `null`: every event does. */
  readonly filter: number | null
  /** Predicate of events that kill the open partial matches of their key; `null`: none. */
  readonly cancelledBy: number | null
  /** Predicates of the steps: an event that fits none of them is skipped where that is the same. */
  readonly predicates: readonly number[]
  /** Whether partial matches whose time ran out are wanted. */
  readonly timeouts: boolean
}

/** A pattern with what its operator asks of it for each event. */
export interface RunningPattern extends CepPattern {
  /** The predicates that concern the pattern as bits, and the words past the first. */
  readonly mask: number
  readonly moreMasks: readonly number[]
  readonly startInert: boolean
  /**
   * Whether something comes out when a time limit runs out, but for matches that wait. Where nothing
   * does, no timer is set: in memory a sweep finds what has run out, on disk it is deleted with its page.
   */
  readonly limitsMatter: boolean
  /** Event time, epoch ms, up to which it opens nothing; infinity: its rule is gone. */
  startsAfter: number
  /** Whether what keys have open of it is to be let go of when they are met. */
  isDropped: boolean
}

/**
 * @param mayDefer whether events may be left for later where nothing comes of that: states that are
 *   written, and whoever looks at time limits with each watermark, need what is open as it is
 */
export function runningPattern(pattern: CepPattern, mayDefer: boolean): RunningPattern {
  const { compiled } = pattern.nfa
  const concerned =
    pattern.cancelledBy === null ? pattern.predicates : [...pattern.predicates, pattern.cancelledBy]
  const words: number[] = []
  for (const predicate of concerned) {
    const word = predicate >> 5
    while (words.length <= word) words.push(0)
    words[word] = (words[word] as number) | (1 << (predicate & 31))
  }
  const limitsMatter = timeLimitsMatter(pattern)
  const eager = pattern.nfa instanceof LazyNFA ? pattern.nfa.eager : pattern.nfa
  return {
    ...pattern,
    nfa: mayDefer && !limitsMatter ? LazyNFA.of(eager) : eager,
    mask: words[0] ?? 0,
    moreMasks: words.slice(1),
    startInert: compiled.states[compiled.start]?.inert ?? false,
    limitsMatter,
    startsAfter: -Infinity,
    isDropped: false,
  }
}

/** Whether something comes out when a time limit runs out, but for matches that wait. */
function timeLimitsMatter({ nfa, timeouts }: CepPattern): boolean {
  return timeouts || nfa.compiled.states.some((state) => state.kind === 'pending')
}

/** Whether there is an end to everything that the pattern opens. */
export function isLimited({ nfa }: CepPattern): boolean {
  return nfa.compiled.withinMs > 0
}

/** The shortest time limit of an automaton, ms; infinity: it has none. */
function leastLimitOf({ compiled }: NFA): number {
  const limits = [compiled.withinMs, ...compiled.states.map((state) => state.withinMs)]
  return Math.min(...limits.map((limitMs) => (limitMs === 0 ? Infinity : limitMs)))
}

/** The same over the patterns whose time limits matter, or over the others. */
export function leastLimitAmong(patterns: readonly RunningPattern[], matter: boolean): number {
  const among = patterns.filter(({ limitsMatter }) => limitsMatter === matter)
  return Math.min(...among.map(({ nfa }) => leastLimitOf(nfa)))
}

/** What a pattern knows of a key. */
export function stateOf(entry: NumberEntry, index: number): NFAState {
  return (entry.get(index) ?? none) as NFAState
}

/** Whether the key has something open. */
export function isOpen(entry: NumberEntry, patterns: readonly RunningPattern[]): boolean {
  for (let index = 0; index < patterns.length; index++) {
    if (stateOf(entry, index) !== none) return true
  }
  return false
}

/** When the key must be looked at next, epoch ms; infinity: never. */
export function dueOf(entry: NumberEntry, patterns: readonly RunningPattern[]): number {
  let due = Infinity
  for (let index = 0; index < patterns.length; index++) {
    const state = stateOf(entry, index)
    if (state === none) continue
    const { nfa, limitsMatter } = patterns[index] as RunningPattern
    // The end of a partial match may set free a match that waits for it.
    if (limitsMatter || nfa.isWaiting(state)) due = Math.min(due, nfa.nextDeadline(state))
  }
  return due
}

/** When something of the key runs out where nothing comes of that but room, epoch ms. */
export function unseenDueOf(entry: NumberEntry, patterns: readonly RunningPattern[]): number {
  let due = Infinity
  for (let index = 0; index < patterns.length; index++) {
    const state = stateOf(entry, index)
    const { nfa, limitsMatter } = patterns[index] as RunningPattern
    if (state === none || limitsMatter) continue
    const last = nfa.lastDeadline(state)
    due = Math.min(due, last < Infinity ? last : nfa.nextDeadline(state))
  }
  return due
}

/** Whether the event fits a unary predicate. */
export function fits(event: Event, predicate: number): boolean {
  const word = predicate < 32 ? event.predicates : (event.morePredicates[(predicate >> 5) - 1] ?? 0)
  return (word & (1 << (predicate & 31))) !== 0
}

/** Whether the event fits one of the predicates that concern the pattern. */
export function fitsAny(event: Event, pattern: RunningPattern): boolean {
  if ((event.predicates & pattern.mask) !== 0) return true
  const { moreMasks } = pattern
  for (let word = 0; word < moreMasks.length; word++) {
    if (((event.morePredicates[word] ?? 0) & (moreMasks[word] as number)) !== 0) return true
  }
  return false
}

/** Evaluates what a pattern has left for later, of all keys. */
export function evaluateAll(
  entries: Iterable<NumberEntry>,
  index: number,
  { nfa }: RunningPattern,
): void {
  for (const entry of entries) {
    const state = stateOf(entry, index)
    const evaluated = nfa.evaluated(state)
    if (evaluated !== state) entry.set(index, evaluated)
  }
}
