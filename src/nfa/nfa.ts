import { TocsinError } from '../errors.ts'
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip-strategy.ts'
import type { ArrivedEvent, TakenEvent } from '../stream/event.ts'
import { type MatchStore, none, notStarted } from './match-store.ts'
import type { CompiledEdge, CompiledPattern, CompiledState } from './nfa-compiler.ts'
import type { NFAState, OpenMatches, PartialMatch } from './partial-match.ts'
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
  /** Whether partial matches whose time ran out are wanted: making them objects costs. */
  keepsTimeouts = true
  /** Whether events may open partial matches: those of a rule that is gone only end. */
  opensMatches = true
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
 * the key is passed in, and what partial matches have taken lies in the store. The answers are
 * those of Flink CEP's NFA (2.3.0), but for the emit order `at_once`; a partial match is a state
 * and a list with a shared tail instead of a version number into a shared buffer.
 */
export class NFA {
  readonly compiled: CompiledPattern
  readonly options: NFAOptions
  readonly store: MatchStore
  /** Places to work in, so that an event that changes little allocates little. */
  readonly #remaining: PartialMatchQueue
  readonly #completed: PartialMatchQueue
  readonly #emitting: PartialMatchQueue

  /** @param store shared by the patterns of an operator */
  constructor(compiled: CompiledPattern, options: NFAOptions, store: MatchStore) {
    this.compiled = compiled
    this.options = options
    this.store = store
    this.#remaining = new PartialMatchQueue(store)
    this.#completed = new PartialMatchQueue(store)
    this.#emitting = new PartialMatchQueue(store)
  }

  /** Lets go of all that a key has open. */
  release(state: NFAState): void {
    for (const match of this.#openOf(state)) this.store.freeMatch(match)
    for (const match of completedOf(state)) this.store.freeMatch(match)
  }

  /** Whether an event that fits no unary predicate can have an effect on this key. */
  needsEveryEvent(state: NFAState): boolean {
    if (typeof state !== 'number') return state.heap.some((match) => !this.#stateOf(match).inert)
    return !this.#stateOf(notStarted).inert || (state !== none && !this.#stateOf(state).inert)
  }

  /** Moves time to `timestamp`: drops what ran out, completes what waited for that. */
  advanceTime(state: NFAState, timestamp: number, output: NFAOutput): NFAState {
    if (this.nextDeadline(state) > timestamp) return state
    const { store } = this
    this.#clearWorkplace()
    for (const match of this.#openOf(state)) {
      const at = this.#timeoutOf(match, timestamp)
      if (at === undefined) this.#remaining.offer(match)
      else if (this.#stateOf(match).kind === 'pending') {
        store.setDeadline(match, at)
        this.#completed.offer(match)
      } else {
        if (output.keepsTimeouts) {
          output.timeouts.push({ taken: store.takenBy(store.linkOf(match)), at })
        }
        store.freeMatch(match)
      }
    }
    return this.#conclude(state, output)
  }

  /**
   * Offers an event to every partial match. Time must have been advanced to its timestamp.
   * @returns the state that the key has now; the one before must not be used again
   */
  process(state: NFAState, event: ArrivedEvent, output: NFAOutput): NFAState {
    const ordinal = this.store.nextOrdinal()
    this.#clearWorkplace()
    if (typeof state === 'number') {
      if (state !== none) this.#continue(state, event, ordinal)
      this.#begin(state, event, ordinal, output)
    } else {
      const { heap } = state
      for (let index = 0; index < heap.length; index++) {
        const match = heap[index] as number
        if (match === notStarted) this.#begin(state, event, ordinal, output)
        else this.#continue(match, event, ordinal)
      }
    }
    return this.#conclude(state, output)
  }

  /** The earliest moment at which a time limit runs out for this key, epoch ms; infinity: never. */
  nextDeadline(state: NFAState): number {
    if (typeof state === 'number') return state === none ? Infinity : this.#deadlineOf(state)
    const { heap } = state
    if (!this.compiled.hasStepLimits) return this.#deadlineOf(heap[0] as number)
    let earliest = Infinity
    for (const match of heap) earliest = Math.min(earliest, this.#deadlineOf(match))
    return earliest
  }

  /** The last moment at which a time limit runs out, epoch ms: nothing is open then, if none waits. */
  lastDeadline(state: NFAState): number {
    if (typeof state === 'number' && state !== none) return this.#deadlineOf(state)
    let last = -Infinity
    for (const match of this.#openOf(state)) {
      if (match !== notStarted) last = Math.max(last, this.#deadlineOf(match))
    }
    return last
  }

  /** All partial matches in the order of the heap, the one that has not started among them. */
  partialMatchesOf(state: NFAState): PartialMatch[] {
    return this.#viewsOf(this.#openOf(state))
  }

  /** Matches that wait while a partial match that began earlier is open. */
  heldMatchesOf(state: NFAState): PartialMatch[] {
    return this.#viewsOf(completedOf(state))
  }

  #viewsOf(matches: readonly number[]): PartialMatch[] {
    const { store } = this
    return matches.map((match) => ({
      state: this.#stateOf(match).index,
      taken: match === notStarted ? null : store.takenBy(store.linkOf(match)),
    }))
  }

  #openOf(state: NFAState): readonly number[] {
    if (typeof state !== 'number') return state.heap
    return state === none ? [notStarted] : [state, notStarted]
  }

  /** The partial match that has not started: it stays, and each event that fits opens another. */
  #begin(state: NFAState, event: ArrivedEvent, ordinal: number, output: NFAOutput): void {
    const { store } = this
    const { edges } = this.compiled.states[this.compiled.start] as CompiledState
    let refused: boolean | undefined
    for (let index = 0; index < edges.length && output.opensMatches; index++) {
      const edge = edges[index] as CompiledEdge
      if (edge.targetKind === 'stop' || !edge.test(event, null)) continue
      refused ??= this.#isFull(state)
      if (refused) {
        output.refused++
        break
      }
      const link = store.addLink(event, edge.step, none, ordinal)
      const begun = store.addMatch(edge.target, link, ordinal, event.timestamp)
      if (edge.targetKind === 'final') this.#completed.offer(begun)
      else this.#remaining.offer(begun)
      if (edge.completes?.(event, null)) {
        this.#completed.offer(store.addMatch(edge.target, link, ordinal, event.timestamp))
      }
    }
    this.#remaining.offer(notStarted)
  }

  #continue(match: number, event: ArrivedEvent, ordinal: number): void {
    const { store } = this
    const state = this.#stateOf(match)
    const { edges } = state
    const link = store.linkOf(match)
    const start = store.startOf(match)
    const firstTimestamp = store.firstTimestampOf(match)
    const before = state.readsTaken ? store.viewOf(link) : null
    let stopped = false
    let stays = false
    // Held back until it is known that no negation ends the path.
    let one = none
    let more: number[] | null = null
    for (let index = 0; index < edges.length; index++) {
      const edge = edges[index] as CompiledEdge
      if (!edge.test(event, before)) continue
      if (edge.targetKind === 'stop') {
        stopped = true
        continue
      }
      const takes = edge.action === 'take'
      const nextLink = takes ? store.addLink(event, edge.step, link, ordinal) : link
      const isSame = !takes && edge.target === state.index && !stays
      if (isSame) stays = true
      const next = isSame ? match : store.addMatch(edge.target, nextLink, start, firstTimestamp)
      if (edge.targetKind === 'final') this.#completed.offer(next)
      else if (one === none) one = next
      else {
        more ??= []
        more.push(next)
      }
      if (edge.completes?.(event, before)) {
        this.#completed.offer(store.addMatch(edge.target, nextLink, start, firstTimestamp))
      }
    }
    if (one !== none) this.#goOn(one, match, stopped)
    if (more !== null) for (const next of more) this.#goOn(next, match, stopped)
    if (!stays || stopped) store.freeMatch(match)
  }

  #goOn(next: number, before: number, stopped: boolean): void {
    if (!stopped) this.#remaining.offer(next)
    else if (next !== before) this.store.freeMatch(next)
  }

  #clearWorkplace(): void {
    this.#remaining.size = 0
    this.#completed.size = 0
  }

  /** What the partial matches have become; emits what is complete. */
  #conclude(state: NFAState, output: NFAOutput): NFAState {
    const waiting = completedOf(state)
    const held =
      this.#completed.size > 0 || waiting.length > 0 ? this.#emit(waiting, output) : waiting
    const { items, size } = this.#remaining
    if (held.length === 0) {
      if (size < 2) return none
      if (size === 2 && items[1] === notStarted) return items[0] as number
    }
    if (typeof state === 'number') return { heap: items.slice(0, size), completedMatches: held }
    state.heap = this.#remaining.intoArray(state.heap)
    state.completedMatches = held
    return state
  }

  #isFull(state: NFAState): boolean {
    const { limit } = this.options
    const matches = typeof state === 'number' ? 2 : state.heap.length
    if (matches <= limit) return false
    const starts = new Set<number>()
    for (const match of this.#openOf(state)) starts.add(this.store.startOf(match))
    return starts.size > limit
  }

  /** Emits complete matches in order of their starts and drops what the skip strategy drops. */
  #emit(waiting: number[], output: NFAOutput): number[] {
    const { store } = this
    const { afterMatch } = this.compiled.pattern
    const waits = this.options.emitOrder === 'start' && afterMatch.kind !== 'no_skip'
    const open = this.#remaining
    const completed = this.#emitting
    completed.reset(waiting)
    for (let index = 0; index < this.#completed.size; index++) {
      completed.offer(this.#completed.items[index] as number)
    }
    let emitted = 0
    while (completed.size > 0) {
      const match = completed.items[0] as number
      const first = open.size > 0 ? (open.items[0] as number) : notStarted
      if (waits && store.startOf(first) < store.startOf(match)) break
      completed.poll()
      const link = store.linkOf(match)
      const dropped = droppedBy(afterMatch, link, this.compiled, store)
      if (dropped !== null) {
        open.removeWhere(dropped)
        completed.removeWhere(dropped)
      }
      if (emitted < this.options.maxMatches) {
        emitted++
        const deadline = store.deadlineOf(match)
        const at = deadline === Infinity ? store.timestampOf(link) : deadline
        output.matches.push({ taken: store.takenBy(link), at })
      } else output.dropped++
      store.freeMatch(match)
    }
    return completed.intoArray(waiting)
  }

  /** When the partial match runs out, if nothing happens; infinity: never. */
  #deadlineOf(match: number): number {
    const whole = this.#wholeDeadlineOf(match)
    return this.compiled.hasStepLimits ? Math.min(this.#stepDeadlineOf(match), whole) : whole
  }

  /** When it ran out, seen from `timestamp`: the step's limit is named before the whole one. */
  #timeoutOf(match: number, timestamp: number): number | undefined {
    if (match === notStarted) return undefined
    const step = this.#stepDeadlineOf(match)
    if (step <= timestamp && step < Infinity) return step
    const whole = this.#wholeDeadlineOf(match)
    return whole <= timestamp && whole < Infinity ? whole : undefined
  }

  #stepDeadlineOf(match: number): number {
    const { withinMs } = this.#stateOf(match)
    if (withinMs === 0 || match === notStarted) return Infinity
    return this.store.timestampOf(this.store.linkOf(match)) + withinMs
  }

  #wholeDeadlineOf(match: number): number {
    const { withinMs } = this.compiled
    return withinMs === 0 ? Infinity : this.store.firstTimestampOf(match) + withinMs
  }

  #stateOf(match: number): CompiledState {
    const { states, start } = this.compiled
    return states[match === notStarted ? start : this.store.stateOf(match)] as CompiledState
  }
}

function completedOf(state: NFAState): OpenMatches['completedMatches'] {
  return typeof state === 'number' ? noPartialMatches : state.completedMatches
}

/** Which partial matches a match drops, by their start; `null`: none. */
function droppedBy(
  strategy: AfterMatchSkipStrategy,
  link: number,
  compiled: CompiledPattern,
  store: MatchStore,
): ((start: number) => boolean) | null {
  switch (strategy.kind) {
    case 'no_skip':
      return null
    case 'skip_to_next': {
      const first = firstOrdinalOf(link, store)
      return (start) => start <= first
    }
    case 'skip_past_last': {
      const last = store.ordinalOf(link)
      return (start) => start <= last
    }
    case 'skip_to_first':
    case 'skip_to_last': {
      const target = targetOf(strategy, link, compiled, store)
      return target === undefined ? null : (start) => start < target
    }
  }
}

function targetOf(
  strategy: Extract<AfterMatchSkipStrategy, { step: number }>,
  last: number,
  compiled: CompiledPattern,
  store: MatchStore,
): number | undefined {
  let target: number | undefined
  for (let link = last; link !== none; link = store.previousOf(link)) {
    if (store.stepOf(link) !== strategy.step) continue
    target = store.ordinalOf(link)
    if (strategy.kind === 'skip_to_last') break
  }
  if (strategy.throwOnMiss) {
    const name = compiled.steps[strategy.step]?.name
    if (target === undefined) {
      throw new TocsinError('MATCH_SKIP_TARGET', `the match took no event in step '${name}'`)
    }
    if (target === firstOrdinalOf(last, store)) {
      throw new TocsinError('MATCH_SKIP_TARGET', `step '${name}' took the match's first event`)
    }
  }
  return target
}

function firstOrdinalOf(last: number, store: MatchStore): number {
  let link = last
  for (let at = last; at !== none; at = store.previousOf(at)) link = at
  return store.ordinalOf(link)
}
