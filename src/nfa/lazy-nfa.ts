import type { ArrivedEvent } from '../stream/event.ts'
import { fire } from './fired-edges.ts'
import { NFA } from './nfa.ts'
import type { CompiledEdge, CompiledPattern } from './nfa-compiler.ts'
import { NFAOutput } from './nfa-output.ts'
import { deferred, type NFAState, none, notStarted } from './nfa-state.ts'

/** So many events of a key are deferred; then they are evaluated. Most keys have fewer in a time limit. */
const deferredMax = 32

/**
 * An automaton that leaves the events of a key until one comes that may complete a match: of most
 * patterns that is a rare one, and most of what partial matches do until then comes to nothing (lazy
 * evaluation: Kolchinsky, Sharfman and Schuster, 2015). Then the events are offered as they came, so
 * the answers are those of the automaton that leaves nothing.
 *
 * A key that has nothing else open may have **deferred events**: a chain of links of which the last
 * one is in the state `deferred`. An event that is older than the time limit may be forgotten: all
 * partial matches that began before it, which are those it can have changed, have run out.
 */
export class LazyNFA extends NFA {
  /** The automaton that leaves nothing. */
  readonly eager: NFA
  /** The predicates that an event must fit to complete a match, one set of bits for each way. */
  readonly #completing: readonly number[]
  readonly #needsEvery: boolean
  readonly #openingEdges: readonly CompiledEdge[]
  /** A place to work in. */
  readonly #opening: CompiledEdge[] = []
  /** Nothing comes out of events that were deferred. */
  readonly #nothing = new NFAOutput()

  /** The same automaton, lazy where its pattern allows that. Nobody may want what times out of it. */
  static of(nfa: NFA): NFA {
    const completing = completingBits(nfa.compiled)
    // One more first event than the limit is refused when it comes.
    if (completing === null || nfa.options.limit <= deferredMax) return nfa
    return new LazyNFA(nfa, completing)
  }

  private constructor(nfa: NFA, completing: readonly number[]) {
    const { compiled, options, store } = nfa
    super(compiled, options, store)
    this.eager = nfa
    this.#completing = completing
    this.#needsEvery = compiled.states.some(({ inert }) => !inert)
    this.#openingEdges = compiled.states[compiled.start]?.edges ?? []
  }

  override process(state: NFAState, event: ArrivedEvent, output: NFAOutput): NFAState {
    const hasDeferred = this.#isDeferred(state)
    if (state !== none && !hasDeferred) return super.process(state, event, output)
    const known = hasDeferred ? this.#forgetOld(state, event.timestamp) : none
    if (!output.opensMatches || this.#mayComplete(event) || event.morePredicates.length > 0) {
      return super.process(this.evaluated(known), event, output)
    }
    if (known !== none && this.store.deferredCount(known) === deferredMax) {
      return super.process(this.evaluated(known), event, output)
    }
    this.store.offer(event)
    const isNew = known === none
    if (isNew && fire(this.#openingEdges, event, null, this.#opening) === 0) return none
    return this.store.defer(known, event.predicates)
  }

  /** The same with nothing deferred; the state before must not be used again. */
  override evaluated(state: NFAState): NFAState {
    if (!this.#isDeferred(state)) return state
    const { store } = this
    const links: number[] = []
    for (let link = state; link !== none; link = store.previousOf(link)) links.push(link)
    const offered = store.holdOffered()
    let next: NFAState = none
    for (let link = links.pop(); link !== undefined; link = links.pop()) {
      next = super.process(next, store.offerDeferred(link), this.#nothing)
    }
    store.offerHeld(offered)
    store.freeMatch(state)
    return next
  }

  override needsEveryEvent(state: NFAState): boolean {
    return this.#isDeferred(state) ? this.#needsEvery : super.needsEveryEvent(state)
  }

  override dropExpired(state: NFAState, timestamp: number): NFAState {
    if (!this.#isDeferred(state)) return super.dropExpired(state, timestamp)
    return this.#forgetOld(state, timestamp)
  }

  override nextDeadline(state: NFAState): number {
    return this.#isDeferred(state) ? this.#lastDeadlineOf(state) : super.nextDeadline(state)
  }

  override lastDeadline(state: NFAState): number {
    return this.#isDeferred(state) ? this.#lastDeadlineOf(state) : super.lastDeadline(state)
  }

  #isDeferred(state: NFAState): boolean {
    return state > notStarted && this.store.stateOf(state) === deferred
  }

  #lastDeadlineOf(state: NFAState): number {
    return this.store.timestampOf(state) + this.compiled.withinMs
  }

  #mayComplete({ predicates }: ArrivedEvent): boolean {
    const completing = this.#completing
    for (let index = 0; index < completing.length; index++) {
      const bits = completing[index] as number
      if ((predicates & bits) === bits) return true
    }
    return false
  }

  /** Forgets what is too old: all of it at once, or the oldest when they have been so for long. */
  #forgetOld(state: NFAState, timestamp: number): NFAState {
    const { store } = this
    const { withinMs } = this.compiled
    const oldest = timestamp - withinMs
    if (store.timestampOf(state) <= oldest) {
      store.freeMatch(state)
      return none
    }
    // It costs a walk over all of them, so it waits until about half of them go.
    if (store.firstTimestampOf(state) <= oldest - withinMs) store.cutDeferred(state, oldest)
    return state
  }
}

/**
 * The first 32 predicates that an event must fit to complete a match, for each edge that does;
 * `null`: any event may, or time may, or no time limit would ever let go of what is deferred.
 */
function completingBits({ states, withinMs }: CompiledPattern): number[] | null {
  if (withinMs === 0) return null
  if (states.some(({ kind }) => kind === 'pending')) return null
  const completing = states
    .flatMap(({ edges }) => edges)
    .filter(({ targetKind, completes }) => targetKind === 'final' || completes !== null)
    .map(({ guard }) => guard.requires)
  return completing.includes(0) ? null : completing
}
