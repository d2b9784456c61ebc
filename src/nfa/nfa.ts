import { assert, TocsinError } from '../errors.ts'
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip-strategy.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import type { CompiledPattern, CompiledState } from './nfa-compiler.ts'
import { type NFAState, NOT_STARTED, type PartialMatch } from './partial-match.ts'
import { offer, poll, removeWhere } from './partial-match-queue.ts'

/** When a match comes out under a skip strategy: see D7. */
export type EmitOrder = 'at_once' | 'start'

export interface NFAOptions {
  readonly emitOrder: EmitOrder
  /** Greatest number of first events that a key may have open; one more is refused and counted. */
  readonly limit: number
  /** Greatest number of matches that one event may complete; more are dropped and counted. */
  readonly maxMatches: number
}

/** What comes out of one step of an NFA; the same object is used again and again. */
export class NFAOutput {
  /** Complete matches in order, each with the time of its last event or of its deadline, epoch ms. */
  readonly matches: { readonly taken: TakenEvent; readonly at: number }[] = []
  /** Partial matches whose time ran out, with the moment it did, epoch ms. */
  readonly timeouts: { readonly taken: TakenEvent; readonly at: number }[] = []
  /** First events refused because of `limit`. */
  refused = 0
  /** Matches dropped because of `maxMatches`. */
  dropped = 0

  clear(): void {
    this.matches.length = 0
    this.timeouts.length = 0
    this.refused = 0
    this.dropped = 0
  }
}

/**
 * Runs an automaton over the events of one key, in event-time order. Immutable: what belongs to
 * the key is passed in. The answers are those of Flink CEP's NFA (2.3.0), but for the emit order
 * `at_once`; a partial match is a state and a persistent list instead of a version number into a
 * shared buffer.
 */
export class NFA {
  readonly compiled: CompiledPattern
  readonly options: NFAOptions
  readonly #notStarted: PartialMatch

  constructor(compiled: CompiledPattern, options: NFAOptions) {
    this.compiled = compiled
    this.options = options
    this.#notStarted = {
      state: compiled.start,
      taken: null,
      start: NOT_STARTED,
      startTimestamp: Number.POSITIVE_INFINITY,
    }
  }

  createState(): NFAState {
    return { partialMatches: [this.#notStarted], completedMatches: [], nextOrdinal: 0 }
  }

  /** Whether nothing is open: the key need not be kept. */
  isEmpty(state: NFAState): boolean {
    return state.partialMatches.length === 1 && state.completedMatches.length === 0
  }

  /** Whether an event that fits no unary predicate can have an effect on this key. */
  needsEveryEvent(state: NFAState): boolean {
    return state.partialMatches.some((match) => !this.#stateOf(match).inert)
  }

  /** Moves time to `timestamp`: drops what ran out, completes what waited for that. */
  advanceTime(state: NFAState, timestamp: number, output: NFAOutput): void {
    const { partialMatches } = state
    if (!this.#anyTimedOut(partialMatches, timestamp)) return
    const remaining: PartialMatch[] = []
    const completed: PartialMatch[] = []
    for (const match of partialMatches) {
      const at = this.#timeoutOf(match, timestamp)
      if (at === undefined) offer(remaining, match)
      else if (this.#stateOf(match).kind === 'pending') {
        offer(completed, { ...match, deadline: at })
      } else if (match.taken !== null) output.timeouts.push({ taken: match.taken, at })
    }
    state.partialMatches = remaining
    this.#emit(state, completed, output)
  }

  /** Offers an event to every partial match. Time must have been advanced to its timestamp. */
  process(state: NFAState, event: Event, output: NFAOutput): void {
    const ordinal = state.nextOrdinal++
    const remaining: PartialMatch[] = []
    const completed: PartialMatch[] = []
    for (const match of state.partialMatches) {
      if (match.start === NOT_STARTED)
        this.#begin(state, event, ordinal, remaining, completed, output)
      else this.#continue(match, event, ordinal, remaining, completed)
    }
    state.partialMatches = remaining
    if (completed.length > 0 || state.completedMatches.length > 0) {
      this.#emit(state, completed, output)
    }
  }

  /** The earliest moment at which a time limit runs out for this key, epoch ms; infinity: never. */
  nextDeadline(state: NFAState): number {
    const { partialMatches } = state
    if (!this.compiled.hasStepLimits) return this.#deadlineOf(partialMatches[0] as PartialMatch)
    let earliest = Infinity
    for (const match of partialMatches) earliest = Math.min(earliest, this.#deadlineOf(match))
    return earliest
  }

  /** The partial match that has not started: it stays, and each event that fits opens another. */
  #begin(
    state: NFAState,
    event: Event,
    ordinal: number,
    remaining: PartialMatch[],
    completed: PartialMatch[],
    output: NFAOutput,
  ): void {
    const { edges } = this.compiled.states[this.compiled.start] as CompiledState
    let refused: boolean | undefined
    for (const edge of edges) {
      if (!edge.test(event, null)) continue
      refused ??= this.#isFull(state)
      if (refused) {
        output.refused++
        break
      }
      const taken = { event, step: edge.step, previous: null, ordinal }
      const begun = {
        state: edge.target,
        taken,
        start: ordinal,
        startTimestamp: event.timestamp,
      }
      this.#place(begun, remaining, completed)
      if (edge.completes?.(event, null)) offer(completed, begun)
    }
    offer(remaining, this.#notStarted)
  }

  #continue(
    match: PartialMatch,
    event: Event,
    ordinal: number,
    remaining: PartialMatch[],
    completed: PartialMatch[],
  ): void {
    const { taken: before } = match
    let stopped = false
    // Held back until it is known that no negation ends the path.
    let first: PartialMatch | null = null
    let more: PartialMatch[] | null = null
    for (const edge of this.#stateOf(match).edges) {
      if (!edge.test(event, before)) continue
      const taken =
        edge.action === 'take' ? { event, step: edge.step, previous: before, ordinal } : before
      const next =
        edge.action === 'ignore' && edge.target === match.state
          ? match
          : { state: edge.target, taken, start: match.start, startTimestamp: match.startTimestamp }
      const kind = (this.compiled.states[edge.target] as CompiledState).kind
      if (kind === 'final') offer(completed, next)
      else if (kind === 'stop') stopped = true
      else if (first === null) first = next
      else {
        more ??= []
        more.push(next)
      }
      if (edge.completes?.(event, before)) offer(completed, next)
    }
    if (stopped || first === null) return
    offer(remaining, first)
    if (more !== null) for (const next of more) offer(remaining, next)
  }

  #place(match: PartialMatch, remaining: PartialMatch[], completed: PartialMatch[]): void {
    const { kind } = this.compiled.states[match.state] as CompiledState
    if (kind === 'final') offer(completed, match)
    else if (kind !== 'stop') offer(remaining, match)
  }

  #isFull(state: NFAState): boolean {
    const { limit } = this.options
    if (state.partialMatches.length <= limit) return false
    const starts = new Set<number>()
    for (const match of state.partialMatches) starts.add(match.start)
    return starts.size > limit
  }

  /** Emits complete matches in order of their starts and drops what the skip strategy drops. */
  #emit(state: NFAState, completed: readonly PartialMatch[], output: NFAOutput): void {
    const { afterMatch } = this.compiled.pattern
    const waits = this.options.emitOrder === 'start' && afterMatch.kind !== 'no_skip'
    for (const match of completed) offer(state.completedMatches, match)
    let emitted = 0
    for (;;) {
      const match = state.completedMatches[0]
      if (match === undefined) return
      const open = state.partialMatches[0]
      if (waits && open !== undefined && open.start < match.start) return
      poll(state.completedMatches)
      assert(match.taken !== null, 'a match has taken an event')
      const dropped = droppedBy(afterMatch, match.taken, this.compiled)
      if (dropped !== null) {
        state.partialMatches = removeWhere(state.partialMatches, dropped)
        state.completedMatches = removeWhere(state.completedMatches, dropped)
      }
      if (emitted < this.options.maxMatches) {
        emitted++
        output.matches.push({
          taken: match.taken,
          at: match.deadline ?? match.taken.event.timestamp,
        })
      } else output.dropped++
    }
  }

  #anyTimedOut(partialMatches: readonly PartialMatch[], timestamp: number): boolean {
    if (this.compiled.hasStepLimits) {
      return partialMatches.some((match) => this.#deadlineOf(match) <= timestamp)
    }
    const first = partialMatches[0]
    return first !== undefined && timestamp >= this.#deadlineOf(first)
  }

  /** When the partial match runs out, if nothing happens; infinity: never. */
  #deadlineOf(match: PartialMatch): number {
    return Math.min(this.#stepDeadlineOf(match), this.#wholeDeadlineOf(match))
  }

  /** When it ran out, seen from `timestamp`: the step's limit is named before the whole one. */
  #timeoutOf(match: PartialMatch, timestamp: number): number | undefined {
    if (match.taken === null) return undefined
    const step = this.#stepDeadlineOf(match)
    if (step <= timestamp && step < Infinity) return step
    const whole = this.#wholeDeadlineOf(match)
    return whole <= timestamp && whole < Infinity ? whole : undefined
  }

  #stepDeadlineOf(match: PartialMatch): number {
    const { withinMs } = this.#stateOf(match)
    if (withinMs === 0 || match.taken === null) return Infinity
    return match.taken.event.timestamp + withinMs
  }

  #wholeDeadlineOf(match: PartialMatch): number {
    const { withinMs } = this.compiled
    return withinMs === 0 ? Infinity : match.startTimestamp + withinMs
  }

  #stateOf(match: PartialMatch): CompiledState {
    return this.compiled.states[match.state] as CompiledState
  }
}

/** Which partial matches a match drops, by their start; `null`: none. */
function droppedBy(
  strategy: AfterMatchSkipStrategy,
  match: TakenEvent,
  compiled: CompiledPattern,
): ((other: PartialMatch) => boolean) | null {
  switch (strategy.kind) {
    case 'no_skip':
      return null
    case 'skip_to_next': {
      const first = firstOf(match).ordinal
      return (other) => other.start <= first
    }
    case 'skip_past_last':
      return (other) => other.start <= match.ordinal
    case 'skip_to_first':
    case 'skip_to_last': {
      const target = targetOf(strategy, match, compiled)
      return target === undefined ? null : (other) => other.start < target
    }
  }
}

function targetOf(
  strategy: Extract<AfterMatchSkipStrategy, { step: number }>,
  match: TakenEvent,
  compiled: CompiledPattern,
): number | undefined {
  let target: number | undefined
  for (let link: TakenEvent | null = match; link !== null; link = link.previous) {
    if (link.step !== strategy.step) continue
    target = link.ordinal
    if (strategy.kind === 'skip_to_last') break
  }
  if (strategy.throwOnMiss) {
    const name = compiled.steps[strategy.step]?.name
    if (target === undefined) {
      throw new TocsinError('MATCH_SKIP_TARGET', `the match took no event in step '${name}'`)
    }
    if (target === firstOf(match).ordinal) {
      throw new TocsinError('MATCH_SKIP_TARGET', `step '${name}' took the match's first event`)
    }
  }
  return target
}

function firstOf(match: TakenEvent): TakenEvent {
  let link = match
  while (link.previous !== null) link = link.previous
  return link
}
