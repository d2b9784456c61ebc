import { assert, TocsinError } from '../errors.ts'
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip-strategy.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import type { CompiledEdge, CompiledPattern, CompiledState } from './nfa-compiler.ts'
import { type NFAState, NOT_STARTED, type PartialMatch } from './partial-match.ts'
import { noPartialMatches, PartialMatchQueue } from './partial-match-queue.ts'

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
    if (this.matches.length > 0) this.matches.length = 0
    if (this.timeouts.length > 0) this.timeouts.length = 0
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
  /** Places to work in, so that an event that changes little allocates little. */
  readonly #remaining = new PartialMatchQueue()
  readonly #completed = new PartialMatchQueue()

  constructor(compiled: CompiledPattern, options: NFAOptions) {
    this.compiled = compiled
    this.options = options
    this.#notStarted = {
      state: compiled.start,
      taken: null,
      start: NOT_STARTED,
      first: null,
    }
  }

  createState(): NFAState {
    return { only: null, heap: null, completedMatches: noPartialMatches, nextOrdinal: 0 }
  }

  /** Whether an event that fits no unary predicate can have an effect on this key. */
  needsEveryEvent(state: NFAState): boolean {
    const { only, heap } = state
    if (heap !== null) return heap.some((match) => !this.#stateOf(match).inert)
    return !this.#stateOf(this.#notStarted).inert || (only !== null && !this.#stateOf(only).inert)
  }

  /** Moves time to `timestamp`: drops what ran out, completes what waited for that. */
  advanceTime(state: NFAState, timestamp: number, output: NFAOutput): void {
    if (this.nextDeadline(state) > timestamp) return
    const partialMatches = this.partialMatchesOf(state)
    const { remaining, completed } = this.#workplace()
    for (const match of partialMatches) {
      const at = this.#timeoutOf(match, timestamp)
      if (at === undefined) remaining.offer(match)
      else if (this.#stateOf(match).kind === 'pending') completed.offer({ ...match, deadline: at })
      else if (match.taken !== null) output.timeouts.push({ taken: match.taken, at })
    }
    this.#conclude(state, output)
  }

  /** Offers an event to every partial match. Time must have been advanced to its timestamp. */
  process(state: NFAState, event: Event, output: NFAOutput): void {
    const ordinal = state.nextOrdinal++
    this.#workplace()
    const { heap, only } = state
    if (heap === null) {
      if (only !== null) this.#continue(only, event, ordinal)
      this.#begin(state, event, ordinal, output)
    } else {
      for (let index = 0; index < heap.length; index++) {
        const match = heap[index] as PartialMatch
        if (match.start === NOT_STARTED) this.#begin(state, event, ordinal, output)
        else this.#continue(match, event, ordinal)
      }
    }
    this.#conclude(state, output)
  }

  /** The earliest moment at which a time limit runs out for this key, epoch ms; infinity: never. */
  nextDeadline({ only, heap }: NFAState): number {
    if (heap === null) return only === null ? Infinity : this.#deadlineOf(only)
    if (!this.compiled.hasStepLimits) return this.#deadlineOf(heap[0] as PartialMatch)
    let earliest = Infinity
    for (const match of heap) earliest = Math.min(earliest, this.#deadlineOf(match))
    return earliest
  }

  /** All partial matches in the order of the heap, the one that has not started among them. */
  partialMatchesOf({ only, heap }: NFAState): readonly PartialMatch[] {
    return heap ?? (only === null ? [this.#notStarted] : [only, this.#notStarted])
  }

  /** The partial match that has not started: it stays, and each event that fits opens another. */
  #begin(state: NFAState, event: Event, ordinal: number, output: NFAOutput): void {
    const { edges } = this.compiled.states[this.compiled.start] as CompiledState
    let refused: boolean | undefined
    for (let index = 0; index < edges.length; index++) {
      const edge = edges[index] as CompiledEdge
      if (!edge.test(event, null)) continue
      refused ??= this.#isFull(state)
      if (refused) {
        output.refused++
        break
      }
      const taken = { event, step: edge.step, previous: null, ordinal }
      const begun = { state: edge.target, taken, start: ordinal, first: event }
      if (edge.targetKind === 'final') this.#completed.offer(begun)
      else if (edge.targetKind !== 'stop') this.#remaining.offer(begun)
      if (edge.completes?.(event, null)) this.#completed.offer(begun)
    }
    this.#remaining.offer(this.#notStarted)
  }

  #continue(match: PartialMatch, event: Event, ordinal: number): void {
    const { taken: before, start, first } = match
    const { edges } = this.#stateOf(match)
    let stopped = false
    // Held back until it is known that no negation ends the path.
    let one: PartialMatch | null = null
    let more: PartialMatch[] | null = null
    for (let index = 0; index < edges.length; index++) {
      const edge = edges[index] as CompiledEdge
      if (!edge.test(event, before)) continue
      const takes = edge.action === 'take'
      const taken = takes ? { event, step: edge.step, previous: before, ordinal } : before
      const stays = !takes && edge.target === match.state
      const next = stays ? match : { state: edge.target, taken, start, first }
      if (edge.targetKind === 'final') this.#completed.offer(next)
      else if (edge.targetKind === 'stop') stopped = true
      else if (one === null) one = next
      else {
        more ??= []
        more.push(next)
      }
      if (edge.completes?.(event, before)) this.#completed.offer(next)
    }
    if (stopped || one === null) return
    this.#remaining.offer(one)
    if (more !== null) for (const next of more) this.#remaining.offer(next)
  }

  #workplace(): { remaining: PartialMatchQueue; completed: PartialMatchQueue } {
    this.#remaining.size = 0
    this.#completed.size = 0
    return { remaining: this.#remaining, completed: this.#completed }
  }

  /** Takes over what the partial matches have become, and emits what is complete. */
  #conclude(state: NFAState, output: NFAOutput): void {
    if (this.#completed.size > 0 || state.completedMatches.length > 0) this.#emit(state, output)
    const { items, size } = this.#remaining
    const started = size === 2 && (items[1] as PartialMatch).start === NOT_STARTED
    state.only = started ? (items[0] as PartialMatch) : null
    state.heap =
      started || size < 2 ? null : this.#remaining.intoArray(state.heap ?? noPartialMatches)
  }

  #isFull(state: NFAState): boolean {
    const { limit } = this.options
    const matches = state.heap?.length ?? 2
    if (matches <= limit) return false
    const starts = new Set<number>()
    for (const match of this.partialMatchesOf(state)) starts.add(match.start)
    return starts.size > limit
  }

  /** Emits complete matches in order of their starts and drops what the skip strategy drops. */
  #emit(state: NFAState, output: NFAOutput): void {
    const { afterMatch } = this.compiled.pattern
    const waits = this.options.emitOrder === 'start' && afterMatch.kind !== 'no_skip'
    const open = this.#remaining
    const completed = new PartialMatchQueue()
    completed.reset(state.completedMatches)
    for (let index = 0; index < this.#completed.size; index++) {
      completed.offer(this.#completed.items[index] as PartialMatch)
    }
    let emitted = 0
    while (completed.size > 0) {
      const match = completed.items[0] as PartialMatch
      if (waits && open.size > 0 && (open.items[0] as PartialMatch).start < match.start) break
      completed.poll()
      assert(match.taken !== null, 'a match has taken an event')
      const dropped = droppedBy(afterMatch, match.taken, this.compiled)
      if (dropped !== null) {
        open.removeWhere(dropped)
        completed.removeWhere(dropped)
      }
      if (emitted < this.options.maxMatches) {
        emitted++
        const at = match.deadline ?? match.taken.event.timestamp
        output.matches.push({ taken: match.taken, at })
      } else output.dropped++
    }
    state.completedMatches = completed.intoArray(state.completedMatches)
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
    return withinMs === 0 || match.first === null ? Infinity : match.first.timestamp + withinMs
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
