import type { NFA } from '../nfa/nfa.ts'
import { NFAOutput } from '../nfa/nfa-output.ts'
import type { NFAState } from '../nfa/nfa-state.ts'
import { none } from '../nfa/nfa-state.ts'
import type { PartialMatch } from '../nfa/partial-match.ts'
import { CepOperator } from '../operator/cep-operator.ts'
import type { CepOutput, CepResult } from '../operator/cep-output.ts'
import type { CepPattern } from '../operator/running-pattern.ts'
import { PackedKeyedStateBackend } from '../state/packed-keyed-state-backend.ts'
import type { ArrivedEvent, Event, TakenEvent } from '../stream/event.ts'
import { ReleasedEvents } from '../time/event-time-sorter.ts'

/** What became of one partial match, known by what it took. */
export interface TracedPath {
  readonly taken: TakenEvent
  /** States in which it waited last, as indexes into the compiled NFA. */
  states: readonly number[]
  /** Events of its key that had come when it took its last one. */
  readonly seen: number
  /** `null` while it is open. */
  outcome: TracedOutcome | null
}

/** Why a partial match is open no longer; times are epoch ms. */
export type TracedOutcome =
  | { readonly kind: 'matched'; readonly at: number }
  /** Another event was taken: the longer partial match tells the rest. */
  | { readonly kind: 'continued' }
  | { readonly kind: 'expired'; readonly at: number }
  /** The event fits an absent item; `step` is its index. */
  | { readonly kind: 'stopped'; readonly event: Event; readonly step: number }
  /** Strict contiguity: the event is neither taken nor may it be skipped. */
  | { readonly kind: 'broken'; readonly event: Event }
  | { readonly kind: 'cancelled'; readonly event: Event }
  /** `after_match` dropped it with the match of that moment, or `max_matches` did. */
  | { readonly kind: 'skipped'; readonly at: number }

/** All that happened to one key. */
export interface TracedKey {
  /** Canonical key. */
  readonly key: string
  /** In order of event time; `exists` is the filter's answer. */
  readonly events: { readonly event: Event; readonly exists: boolean }[]
  /** In order of opening. */
  readonly paths: TracedPath[]
  /** First events that `limit` refused. */
  readonly refused: Event[]
  /** Matches that were complete, and wait for one that began earlier (emit order `start`). */
  readonly held: Set<TakenEvent>
}

interface RunningKey extends TracedKey {
  state: NFAState
  /** The open ones. */
  readonly open: Map<TakenEvent, TracedPath>
}

/**
 * Runs one pattern as a CepOperator does, by the same NFA, and keeps what became of every partial
 * match. Nothing is pruned and nothing forgotten: for explaining, not for running.
 */
export class TracingOperator extends CepOperator {
  readonly #pattern: CepPattern
  readonly #output: CepOutput
  readonly #keys = new Map<string, RunningKey>()
  readonly #step = new NFAOutput()
  #results: CepResult[] = []
  /** What partial matches took, by key and events: the NFA gives other objects each time. */
  readonly #known = new Map<string, TakenEvent>()

  constructor(pattern: CepPattern, output: CepOutput) {
    super([pattern], new PackedKeyedStateBackend(), output)
    this.#pattern = pattern
    this.#output = output
  }

  /** In order of their first events. */
  get keys(): TracedKey[] {
    return [...this.#keys.values()]
  }

  override advanceWatermark(watermark: number): void {
    const released = new ReleasedEvents()
    this.sorter.release(watermark, released)
    released.events.slice(0, released.count).forEach((event, index) => {
      const key = (released.arenas[index] as Buffer).toString(
        'latin1',
        released.keyStarts[index],
        released.keyEnds[index],
      )
      this.#offer(this.#keyOf(key), event)
    })
    for (const key of this.#keys.values()) this.#advanceTime(key, watermark)
    this.#pattern.nfa.store.flush()
    const results = this.#results.sort((a, b) => a.moment - b.moment)
    this.#results = []
    if (results.length > 0) this.#output.results(results)
  }

  #keyOf(key: string): RunningKey {
    let known = this.#keys.get(key)
    if (known === undefined) {
      known = {
        key,
        events: [],
        paths: [],
        refused: [],
        held: new Set(),
        state: none,
        open: new Map(),
      }
      this.#keys.set(key, known)
    }
    return known
  }

  #offer(key: RunningKey, event: ArrivedEvent): void {
    const { nfa, filter, cancelledBy } = this.#pattern
    const exists = filter === null || fits(event, filter)
    key.events.push({ event, exists })
    if (!exists) return
    this.#advanceTime(key, event.timestamp)
    if (cancelledBy !== null && fits(event, cancelledBy)) {
      for (const path of key.open.values()) path.outcome = { kind: 'cancelled', event }
      key.open.clear()
      key.held.clear()
      nfa.release(key.state)
      key.state = none
    }
    const before = this.#openOf(key)
    key.state = nfa.process(key.state, event, this.#step)
    if (this.#step.refused > 0) key.refused.push(event)
    this.#note(key, before, event.timestamp, event)
  }

  #advanceTime(key: RunningKey, timestamp: number): void {
    const { nfa } = this.#pattern
    while (key.state !== none) {
      const deadline = nfa.nextDeadline(key.state)
      if (deadline === Infinity || deadline > timestamp) return
      const before = this.#openOf(key)
      key.state = nfa.advanceTime(key.state, deadline, this.#step)
      this.#note(key, before, deadline, null)
    }
  }

  /** Takes down what one step of the NFA has changed, and passes its results on. */
  #note(
    key: RunningKey,
    before: readonly PartialMatch[],
    moment: number,
    event: Event | null,
  ): void {
    const { nfa } = this.#pattern
    const step = this.#step
    const after = byTaken(this.#openOf(key))
    const matches = step.matches.map(({ taken, at }) => ({ taken: this.#same(key, taken), at }))
    const timeouts = step.timeouts.map(({ taken, at }) => ({ taken: this.#same(key, taken), at }))
    for (const [taken, waiting] of after) this.#open(key, taken, waiting)
    this.#noteMatches(key, matches, after)
    for (const { taken, at } of timeouts) this.#end(key, taken, { kind: 'expired', at })
    const left = [...byTaken(before)].filter(([taken]) => key.open.has(taken) && !after.has(taken))
    for (const [taken, waiting] of left) {
      const continued = [...after.keys(), ...key.held].some(({ previous }) => previous === taken)
      const won = matches.some((match) => match.taken.previous === taken)
      if (continued || won) this.#end(key, taken, { kind: 'continued' })
      else this.#end(key, taken, reasonOf(nfa, waiting, moment, event))
    }
    this.#passOn(key, moment, event)
  }

  /** The key's partial matches, with the same object for the same events taken. */
  #openOf(key: RunningKey): PartialMatch[] {
    return this.#pattern.nfa.partialMatchesOf(key.state).map(({ state, taken }) => ({
      state,
      taken: taken === null ? null : this.#same(key, taken),
    }))
  }

  #same(key: RunningKey, taken: TakenEvent): TakenEvent {
    const previous = taken.previous === null ? null : this.#same(key, taken.previous)
    let name = key.key
    for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
      const { split, offset } = link.event
      name += ` ${split.stream}/${split.partition}/${offset}:${link.step}`
    }
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const first = { ...taken, previous }
    this.#known.set(name, first)
    return first
  }

  #open(key: RunningKey, taken: TakenEvent, matches: readonly PartialMatch[]): void {
    const states = matches.map(({ state }) => state)
    const known = key.open.get(taken)
    if (known !== undefined) known.states = states
    else {
      const path = { taken, states, seen: key.events.length, outcome: null }
      key.open.set(taken, path)
      key.paths.push(path)
    }
  }

  #noteMatches(
    key: RunningKey,
    matches: readonly { readonly taken: TakenEvent; readonly at: number }[],
    after: ReadonlyMap<TakenEvent, unknown>,
  ): void {
    for (const { taken, at } of matches) {
      const outcome = { kind: 'matched', at } as const
      // It took its last event just now, or is a match and goes on: then it is told twice.
      if (!key.open.has(taken) || after.has(taken)) {
        key.paths.push({ taken, states: [], seen: key.events.length, outcome })
      } else this.#end(key, taken, outcome)
    }
    key.held.clear()
    for (const { taken } of this.#pattern.nfa.heldMatchesOf(key.state)) {
      if (taken !== null) key.held.add(this.#same(key, taken))
    }
  }

  #end(key: RunningKey, taken: TakenEvent, outcome: TracedOutcome): void {
    const path = key.open.get(taken)
    if (path === undefined) return
    path.outcome = outcome
    key.open.delete(taken)
  }

  #passOn({ key }: TracedKey, moment: number, event: Event | null): void {
    const step = this.#step
    for (const { taken, at } of step.matches) {
      this.#results.push({ kind: 'match', pattern: 0, key, taken, eventTime: at, moment })
    }
    for (const { taken, at } of step.timeouts) {
      this.#results.push({ kind: 'timeout', pattern: 0, key, taken, eventTime: at, moment })
    }
    if (step.refused > 0 && event !== null) this.#output.refused({ pattern: 0, key, event })
    if (step.dropped > 0) this.#output.droppedMatches(0, step.dropped)
    step.clear()
  }
}

/** Partial matches that took the same wait in several states: they are one to their reader. */
function byTaken(matches: readonly PartialMatch[]): Map<TakenEvent, PartialMatch[]> {
  const groups = new Map<TakenEvent, PartialMatch[]>()
  for (const match of matches) {
    if (match.taken === null) continue
    const group = groups.get(match.taken)
    if (group === undefined) groups.set(match.taken, [match])
    else group.push(match)
  }
  return groups
}

/** Why partial matches are gone that took no event and did not run out. */
function reasonOf(
  nfa: NFA,
  matches: readonly PartialMatch[],
  moment: number,
  event: Event | null,
): TracedOutcome {
  if (event === null) return { kind: 'skipped', at: moment }
  let used = false
  for (const { state, taken } of matches) {
    for (const edge of nfa.compiled.states[state]?.edges ?? []) {
      if (!edge.test(event, taken)) continue
      const target = nfa.compiled.states[edge.target]
      if (target?.kind === 'stop') return { kind: 'stopped', event, step: target.step }
      used = true
    }
  }
  return used ? { kind: 'skipped', at: moment } : { kind: 'broken', event }
}

function fits(event: Event, predicate: number): boolean {
  const word = predicate < 32 ? event.predicates : (event.morePredicates[(predicate >> 5) - 1] ?? 0)
  return (word & (1 << (predicate & 31))) !== 0
}
