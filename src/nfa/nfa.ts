import type { ArrivedEvent } from '../stream/event.ts'
import { droppedBy } from './dropped-by.ts'
import { fire, isPlain } from './fired-edges.ts'
import type { MatchStore } from './match-store.ts'
import type { CompiledEdge, CompiledPattern, CompiledState } from './nfa-compiler.ts'
import type { NFAOutput } from './nfa-output.ts'
import { isList, listOf, type NFAState, none, notStarted, stateOfList } from './nfa-state.ts'
import { openMatchesOf, type PartialMatch, waitingMatchesOf } from './partial-match.ts'
import { PartialMatchQueue } from './partial-match-queue.ts'
import { TakenView } from './taken-view.ts'

/** When a match comes out under a skip strategy: see D7. */
export type EmitOrder = 'at_once' | 'start'

export interface NFAOptions {
  readonly emitOrder: EmitOrder
  /** Greatest number of first events that a key may have open; one more is refused and counted. */
  readonly limit: number
  /** Greatest number of matches that one event may complete; more are dropped and counted. */
  readonly maxMatches: number
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
  readonly #current: PartialMatchQueue
  readonly #remaining: PartialMatchQueue
  readonly #completed: PartialMatchQueue
  readonly #emitting: PartialMatchQueue
  readonly #view: TakenView
  /** Edges that the event may use: those of the partial match at hand, and those that open one. */
  readonly #fired: CompiledEdge[] = []
  readonly #opening: CompiledEdge[] = []
  readonly #start: CompiledState

  /** @param store shared by the patterns of an operator */
  constructor(compiled: CompiledPattern, options: NFAOptions, store: MatchStore) {
    this.compiled = compiled
    this.options = options
    this.store = store
    this.#start = compiled.states[compiled.start] as CompiledState
    this.#current = new PartialMatchQueue(store)
    this.#remaining = new PartialMatchQueue(store)
    this.#completed = new PartialMatchQueue(store)
    this.#emitting = new PartialMatchQueue(store)
    this.#view = new TakenView(store, none)
  }

  /** Lets go of all that a key has open. */
  release(state: NFAState): void {
    const { store } = this
    if (!isList(state)) {
      if (state !== none) store.freeMatch(state)
      return
    }
    const { lists } = store
    const list = listOf(state)
    for (let index = lists.openCount(list) + lists.waitingCount(list) - 1; index >= 0; index--) {
      store.freeMatch(lists.matchAt(list, index))
    }
    lists.free(list)
  }

  /** Whether a finished match waits for one that began earlier. */
  isWaiting(state: NFAState): boolean {
    return isList(state) && this.store.lists.waitingCount(listOf(state)) > 0
  }

  /** Whether an event that fits no unary predicate can have an effect on this key. */
  needsEveryEvent(state: NFAState): boolean {
    if (isList(state)) {
      const { lists } = this.store
      const list = listOf(state)
      for (let index = lists.openCount(list) - 1; index >= 0; index--) {
        if (!this.#stateOf(lists.matchAt(list, index)).inert) return true
      }
      return false
    }
    return !this.#stateOf(notStarted).inert || (state !== none && !this.#stateOf(state).inert)
  }

  /** Moves time to `timestamp`: drops what ran out, completes what waited for that. */
  advanceTime(state: NFAState, timestamp: number, output: NFAOutput): NFAState {
    if (this.nextDeadline(state) > timestamp) return state
    const { store } = this
    this.#clearWorkplace()
    for (const match of openMatchesOf(state, store)) {
      const at = this.#timeoutOf(match, timestamp)
      if (at === undefined) this.#remaining.offer(match)
      else if (this.#stateOf(match).kind === 'pending') {
        this.#completed.offer(store.withDeadline(match, at))
      } else {
        if (output.keepsTimeouts) output.timeouts.push({ taken: store.takenBy(match), at })
        store.freeMatch(match)
      }
    }
    return this.#conclude(state, output)
  }

  /**
   * Moves time where nothing can come of that: no match waits, none is completed by time, and
   * nobody wants what ran out.
   */
  dropExpired(state: NFAState, timestamp: number): NFAState {
    if (this.nextDeadline(state) > timestamp) return state
    if (!isList(state)) {
      this.store.freeMatch(state)
      return none
    }
    this.#remaining.resetToOpen(listOf(state))
    this.#dropFrom(this.#remaining, timestamp)
    return this.#stateOfRemaining(state, 0)
  }

  /** The same with no event left for later: here none ever is. */
  evaluated(state: NFAState): NFAState {
    return state
  }

  /**
   * Offers an event to every partial match. What has run out by its timestamp is dropped; where
   * something can come of that, time must have been advanced.
   * @returns the state that the key has now; the one before must not be used again
   */
  process(state: NFAState, event: ArrivedEvent, output: NFAOutput): NFAState {
    this.store.offer(event)
    if (!isList(state)) return this.#processOne(state, event, output)
    this.#clearWorkplace()
    this.#processList(state, event, output)
    return this.#conclude(state, output)
  }

  /** Most keys have one partial match that has started, or none, and most events only lead it on. */
  #processOne(state: NFAState, event: ArrivedEvent, output: NFAOutput): NFAState {
    let known = state
    if (known !== none && this.#hasRunOut(known, event.timestamp)) {
      this.store.freeMatch(known)
      known = none
    }
    const fired = known === none ? 0 : this.#fire(known, event)
    const opening = this.#fireOpening(event, output)
    const limit = known === none ? 1 : 2
    if (isPlain(this.#fired, fired) && isPlain(this.#opening, opening)) {
      if (opening === 0) return known === none ? none : this.#goPlainly(known, fired)
      if (limit <= this.options.limit) return this.#openPlainly(known, fired)
    }
    this.#clearWorkplace()
    if (known !== none) this.#continue(known, fired, event)
    this.#begin(known, opening, event, output)
    return this.#conclude(known, output)
  }

  /** Where a partial match gets to by at most one edge, which is plain; `none`: it ends. */
  #goPlainly(match: number, fired: number): number {
    const { store } = this
    let next = none
    if (fired === 1) {
      const edge = this.#fired[0] as CompiledEdge
      next = this.#follow(edge, match, store.stateOf(match), false)
      if (next === match) return match
    }
    store.freeMatch(match)
    return next
  }

  /** The state with a partial match that is opened by one edge, which is plain. */
  #openPlainly(known: NFAState, fired: number): NFAState {
    const edge = this.#opening[0] as CompiledEdge
    const next = known === none ? none : this.#goPlainly(known, fired)
    const begun = this.store.take(none, edge.step, edge.target)
    if (next === none) return begun
    // The later one began later, and the one that has not started comes last.
    const { lists } = this.store
    const list = lists.write(none, 3, 0)
    lists.set(list, 0, next)
    lists.set(list, 1, begun)
    lists.set(list, 2, notStarted)
    return stateOfList(list)
  }

  /** Puts the edges that the event may use into `#fired`; gives their number. */
  #fire(match: number, event: ArrivedEvent): number {
    const { edges, readsTaken } = this.#stateOf(match)
    const before = readsTaken ? this.#view.moveTo(match) : null
    return fire(edges, event, before, this.#fired)
  }

  /** Likewise those that open a partial match, into `#opening`. */
  #fireOpening(event: ArrivedEvent, output: NFAOutput): number {
    return output.opensMatches ? fire(this.#start.edges, event, null, this.#opening) : 0
  }

  #processList(state: NFAState, event: ArrivedEvent, output: NFAOutput): void {
    const current = this.#current
    current.resetToOpen(listOf(state))
    if (!this.isWaiting(state)) this.#dropFrom(current, event.timestamp)
    const { items, size } = current
    for (let index = 0; index < size; index++) {
      const match = items[index] as number
      if (match === notStarted) {
        this.#begin(state, this.#fireOpening(event, output), event, output)
        continue
      }
      const fired = this.#fire(match, event)
      if (isPlain(this.#fired, fired)) {
        const next = this.#goPlainly(match, fired)
        if (next !== none) this.#remaining.offer(next)
      } else this.#continue(match, fired, event)
    }
  }

  /**
   * Drops what has run out, one time limit after the other: so the order of what is left does not
   * depend on when somebody looked.
   */
  #dropFrom(queue: PartialMatchQueue, timestamp: number): void {
    if (!this.compiled.hasStepLimits) {
      if (!this.#hasRunOut(queue.items[0] as number, timestamp)) return
      // What is in order stays so, whatever its beginning loses.
      if (queue.isSorted()) {
        queue.dropFirst(this.#countRunOut(queue, timestamp))
        return
      }
    }
    while (this.compiled.hasStepLimits || this.#hasRunOut(queue.items[0] as number, timestamp)) {
      const at = this.#earliestDeadline(queue)
      if (at > timestamp || at === Infinity) return
      const { items, size } = queue
      queue.size = 0
      for (let index = 0; index < size; index++) {
        const match = items[index] as number
        if (this.#deadlineOf(match) <= at) this.store.freeMatch(match)
        else queue.offer(match)
      }
    }
  }

  /** How many of the first have run out. */
  #countRunOut({ items, size }: PartialMatchQueue, timestamp: number): number {
    let count = 0
    while (count < size && this.#hasRunOut(items[count] as number, timestamp)) count++
    return count
  }

  #earliestDeadline({ items, size }: PartialMatchQueue): number {
    if (!this.compiled.hasStepLimits) return this.#deadlineOf(items[0] as number)
    let earliest = Infinity
    for (let index = 0; index < size; index++) {
      earliest = Math.min(earliest, this.#deadlineOf(items[index] as number))
    }
    return earliest
  }

  /** The earliest moment at which a time limit runs out for this key, epoch ms; infinity: never. */
  nextDeadline(state: NFAState): number {
    if (!isList(state)) return state === none ? Infinity : this.#deadlineOf(state)
    const { lists } = this.store
    const list = listOf(state)
    if (!this.compiled.hasStepLimits) return this.#deadlineOf(lists.matchAt(list, 0))
    let earliest = Infinity
    for (let index = lists.openCount(list) - 1; index >= 0; index--) {
      earliest = Math.min(earliest, this.#deadlineOf(lists.matchAt(list, index)))
    }
    return earliest
  }

  /** The last moment at which a time limit runs out, epoch ms: nothing is open then, if none waits. */
  lastDeadline(state: NFAState): number {
    if (!isList(state)) return state === none ? -Infinity : this.#deadlineOf(state)
    const { lists } = this.store
    const list = listOf(state)
    let last = -Infinity
    for (let index = lists.openCount(list) - 1; index >= 0; index--) {
      const match = lists.matchAt(list, index)
      if (match !== notStarted) last = Math.max(last, this.#deadlineOf(match))
    }
    return last
  }

  /** All partial matches in the order of the heap, the one that has not started among them. */
  partialMatchesOf(state: NFAState): PartialMatch[] {
    return this.#viewsOf(openMatchesOf(state, this.store))
  }

  /** Matches that wait while a partial match that began earlier is open. */
  heldMatchesOf(state: NFAState): PartialMatch[] {
    return this.#viewsOf(waitingMatchesOf(state, this.store))
  }

  #viewsOf(matches: readonly number[]): PartialMatch[] {
    return matches.map((match) => ({
      state: this.#stateOf(match).index,
      taken: match === notStarted ? null : this.store.takenBy(match),
    }))
  }

  /** The partial match that has not started: it stays, and each event that fits opens another. */
  #begin(state: NFAState, opening: number, event: ArrivedEvent, output: NFAOutput): void {
    const { store } = this
    let refused: boolean | undefined
    for (let index = 0; index < opening; index++) {
      const edge = this.#opening[index] as CompiledEdge
      if (edge.targetKind === 'stop') continue
      refused ??= this.#isFull(state)
      if (refused) {
        output.refused++
        break
      }
      const begun = store.take(none, edge.step, edge.target)
      if (edge.targetKind === 'final') this.#completed.offer(begun)
      else this.#remaining.offer(begun)
      if (edge.completes?.(event, null)) this.#completed.offer(store.addMatch(begun, edge.target))
    }
    this.#remaining.offer(notStarted)
  }

  /** Follows the edges in `#fired`. */
  #continue(match: number, fired: number, event: ArrivedEvent): void {
    const { store } = this
    const state = store.stateOf(match)
    // The view is at the partial match since its edges were tried.
    const before = this.#stateOf(match).readsTaken ? this.#view : null
    let stopped = false
    let stays = false
    // Held back until it is known that no negation ends the path.
    let one = none
    let more: number[] | null = null
    for (let index = 0; index < fired; index++) {
      const edge = this.#fired[index] as CompiledEdge
      if (edge.targetKind === 'stop') {
        stopped = true
        continue
      }
      const next = this.#follow(edge, match, state, stays)
      stays ||= next === match
      if (edge.targetKind === 'final') this.#completed.offer(next)
      else if (one === none) one = next
      else {
        more ??= []
        more.push(next)
      }
      if (edge.completes?.(event, before)) this.#completed.offer(store.addMatch(next, edge.target))
    }
    if (one !== none) this.#goOn(one, stopped)
    if (more !== null) for (const next of more) this.#goOn(next, stopped)
    if (!stays) store.freeMatch(match)
  }

  /** Where an edge leads: the first one that changes nothing keeps the partial match as it is. */
  #follow(edge: CompiledEdge, match: number, state: number, stays: boolean): number {
    if (edge.action === 'take') return this.store.take(match, edge.step, edge.target)
    if (edge.target === state && !stays) return match
    return this.store.addMatch(match, edge.target)
  }

  #goOn(next: number, stopped: boolean): void {
    if (stopped) this.store.freeMatch(next)
    else this.#remaining.offer(next)
  }

  #clearWorkplace(): void {
    this.#remaining.size = 0
    this.#completed.size = 0
  }

  /** What the partial matches have become; emits what is complete. */
  #conclude(state: NFAState, output: NFAOutput): NFAState {
    if (this.#completed.size === 0 && !this.isWaiting(state)) {
      return this.#stateOfRemaining(state, 0)
    }
    this.#emit(state, output)
    return this.#stateOfRemaining(state, this.#emitting.size)
  }

  /** The state for what remains, and for so many matches that wait. */
  #stateOfRemaining(state: NFAState, waiting: number): NFAState {
    const { lists } = this.store
    const { items, size } = this.#remaining
    if (waiting === 0 && size <= 2) {
      if (isList(state)) lists.free(listOf(state))
      return size < 2 ? none : (items[0] as number)
    }
    const list = lists.write(isList(state) ? listOf(state) : none, size, waiting)
    for (let index = 0; index < size; index++) lists.set(list, index, items[index] as number)
    for (let index = 0; index < waiting; index++) {
      lists.set(list, size + index, this.#emitting.items[index] as number)
    }
    return stateOfList(list)
  }

  /** Of several partial matches those count that are in `#current`: the others have run out. */
  #isFull(state: NFAState): boolean {
    const { limit } = this.options
    if (!isList(state)) return (state === none ? 1 : 2) > limit
    const { items, size } = this.#current
    if (size <= limit) return false
    const starts = new Set<number>()
    for (let index = 0; index < size; index++) {
      starts.add(this.store.startOf(items[index] as number))
    }
    return starts.size > limit
  }

  /**
   * Emits complete matches in order of their starts and drops what the skip strategy drops; what
   * has to wait is left in `#emitting`.
   */
  #emit(state: NFAState, output: NFAOutput): void {
    const { store } = this
    const { afterMatch } = this.compiled.pattern
    const waits = this.options.emitOrder === 'start' && afterMatch.kind !== 'no_skip'
    const open = this.#remaining
    const completed = this.#emitting
    if (isList(state)) completed.resetToWaiting(listOf(state))
    else completed.size = 0
    for (let index = 0; index < this.#completed.size; index++) {
      completed.offer(this.#completed.items[index] as number)
    }
    let emitted = 0
    while (completed.size > 0) {
      const match = completed.items[0] as number
      const first = open.size > 0 ? (open.items[0] as number) : notStarted
      if (waits && store.startOf(first) < store.startOf(match)) break
      completed.poll()
      const dropped = droppedBy(match, this.compiled, store)
      if (dropped !== null) {
        open.removeWhere(dropped)
        completed.removeWhere(dropped)
      }
      if (emitted < this.options.maxMatches) {
        emitted++
        const deadline = store.deadlineOf(match)
        const at = deadline === Infinity ? store.timestampOf(match) : deadline
        output.matches.push({ taken: store.takenBy(match), at })
      } else output.dropped++
      store.freeMatch(match)
    }
  }

  /** The same as comparing its deadline, but makes no double of its own. */
  #hasRunOut(match: number, timestamp: number): boolean {
    const { withinMs, hasStepLimits } = this.compiled
    if (hasStepLimits) return this.#deadlineOf(match) <= timestamp
    return withinMs !== 0 && this.store.firstTimestampOf(match) + withinMs <= timestamp
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
    return this.store.timestampOf(match) + withinMs
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
