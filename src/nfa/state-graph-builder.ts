import { assert } from '../errors.ts'
import type { Contiguity, GroupPattern, Pattern, PatternItem } from '../pattern/pattern.ts'
import { always, and, type Guard, guardOf, not } from './guard.ts'
import { State, type StateKind } from './state-graph.ts'

/** A pattern item with the one before it: the graph is built from the last item to the first. */
interface Link {
  readonly item: PatternItem
  readonly previous: Link | null
}

interface NotCondition {
  readonly step: number
  readonly guard: Guard
}

/** What the builder is looking at; saved and restored around a group. */
interface Position {
  current: Link
  /** The item after `current`, of the same group or around it. */
  following: Link | null
  group: GroupPattern | null
  /** How the group stands to what is before it: `strict` at the head of a sequence. */
  groupContiguity: Contiguity
}

export interface StateGraph {
  readonly start: State
  readonly states: readonly State[]
}

/**
 * Builds the state graph of a pattern, state for state as Flink's NFACompiler does (2.3.0), so
 * that the answers are Flink's in every corner. The graph grows from the final state backwards:
 * each item becomes states that lead to the sink, the first state of what follows it.
 */
export function buildStateGraph(pattern: Pattern): StateGraph {
  return new StateGraphBuilder(pattern).build()
}

class StateGraphBuilder {
  readonly #pattern: Pattern
  readonly #states: State[] = []
  readonly #stopStates = new Map<number, State>()
  /** Whether a group stands at the head of its own loop, where the outer contiguity counts. */
  readonly #firstOfLoop = new Map<GroupPattern, boolean>()
  /** A sink as it was before a greedy loop narrowed it, for the way that `until` opens. */
  readonly #beforeGreedy = new Map<State, State>()
  readonly #stepsSeen = new Set<number>()
  #at: Position

  constructor(pattern: Pattern) {
    this.#pattern = pattern
    this.#at = {
      current: lastLink(pattern.items),
      following: null,
      group: null,
      groupContiguity: 'strict',
    }
  }

  build(): StateGraph {
    const final = this.#newState(-1, 'final')
    const start = this.#convert(this.#buildMiddle(final))
    start.kind = 'start'
    return { start, states: this.#states }
  }

  /** All items of the current chain but its first. */
  #buildMiddle(sink: State): State {
    let last = sink
    while (this.#at.current.previous !== null) {
      const { item } = this.#at.current
      if (item.kind !== 'step' || !item.negated) last = this.#convert(last)
      else if (item.contiguity === 'strict') last = this.#buildNotNext(last)
      else if (last.kind === 'final' && this.#hasTimeLimit(item.withinMs)) {
        last = this.#buildTrailingNot()
      } // Any other relaxed negation becomes edges to a stop state of its neighbours.
      this.#at.following = this.#at.current
      this.#at.current = this.#at.current.previous
    }
    return last
  }

  #hasTimeLimit(withinMs: number | null): boolean {
    return withinMs !== null || this.#pattern.withinMs !== null
  }

  /** A trailing relaxed negation: waits, and completes when its time limit has passed. */
  #buildTrailingNot(): State {
    const pending = this.#newTakingState('pending')
    const forbidden = this.#takeGuard(this.#at.current.item)
    pending.add('proceed', this.#stopState(this.#currentStep(), forbidden), forbidden)
    pending.add('ignore', pending, not(forbidden))
    return pending
  }

  #buildNotNext(sink: State): State {
    const state = this.#newTakingState('normal')
    const forbidden = this.#takeGuard(this.#at.current.item)
    // Before the final state the event that decides must be used up: `ignore`, not `proceed`.
    state.add(sink.kind === 'final' ? 'ignore' : 'proceed', sink, not(forbidden))
    state.add('proceed', this.#stopState(this.#currentStep(), forbidden), forbidden)
    return state
  }

  /** The states of the current item, leading to `sink`; the first of them. */
  #convert(sink: State): State {
    const { quantifier } = this.#at.current.item
    let first: State
    if (quantifier.kind === 'single') first = this.#buildSingle(sink)
    else if (quantifier.max !== null) {
      first = this.#buildTimes(sink, sink, quantifier.min, quantifier.max)
    } else {
      this.#setFirstOfLoop(false)
      const looping = this.#buildLooping(this.#withoutTransitiveNots(sink))
      this.#setFirstOfLoop(true)
      first = this.#buildTimes(looping, sink, quantifier.min, quantifier.min)
    }
    this.#addStopEdges(first)
    return first
  }

  /** `max` copies of the item, of which those past `min` may be left out. */
  #buildTimes(sink: State, proceedTo: State, min: number, max: number): State {
    this.#setFirstOfLoop(false)
    const { item } = this.#at.current
    const until = this.#until()
    const take = untilNot(this.#takeGuard(item), until)
    const innerIgnore = this.#innerIgnoreGuard(item, until)
    if (isGreedy(item) && min !== max) {
      if (until !== null) this.#beforeGreedy.set(sink, this.#copy(sink))
      narrow(sink, take)
    }
    let last = sink
    for (let round = min; round < max; round++) {
      last = this.#buildRound(last, proceedTo, take, innerIgnore, true)
      this.#addFollowingStopEdge(last)
    }
    for (let round = 0; round < min - 1; round++) {
      last = this.#buildRound(last, proceedTo, take, innerIgnore, false)
      this.#addFollowingStopEdge(last)
    }
    this.#setFirstOfLoop(true)
    return this.#buildRound(last, proceedTo, take, this.#ignoreGuard(item), isOptional(item))
  }

  #buildSingle(sink: State): State {
    const { item } = this.#at.current
    return this.#buildRound(
      sink,
      sink,
      this.#takeGuard(item),
      this.#ignoreGuard(item),
      isOptional(item),
    )
  }

  /**
   * One repetition. An optional one has a second state without the way past it, so that skipping
   * events does not open that way twice.
   */
  #buildRound(
    sink: State,
    proceedTo: State,
    take: Guard,
    ignore: Guard | null,
    optional: boolean,
  ): State {
    const { item } = this.#at.current
    if (item.kind === 'group') return this.#buildGroup(item, sink, proceedTo, optional)
    const state = this.#newTakingState('normal')
    // Once the event is taken, the negations before this optional step no longer hold.
    const next = this.#withoutTransitiveNots(sink)
    state.add('take', next, take)
    if (optional) this.#addWayPast(state, proceedTo)
    if (ignore !== null) {
      let waiting = state
      if (optional || this.#isHeadOfOptionalGroup()) {
        waiting = this.#newState(item.index, 'normal')
        waiting.add('take', next, take)
        waiting.add('ignore', waiting, ignore)
        this.#addStopEdges(waiting)
      }
      state.add('ignore', waiting, ignore)
    }
    return state
  }

  #addWayPast(state: State, proceedTo: State): void {
    const always = this.#alwaysGuard()
    const until = isGreedy(this.#at.current.item) ? this.#until() : null
    if (until === null) {
      state.add('proceed', proceedTo, always)
      return
    }
    const untouched = this.#beforeGreedy.get(proceedTo)
    if (untouched !== undefined) state.add('proceed', untouched, and(always, until))
    state.add('proceed', proceedTo, and(always, not(until)))
  }

  #buildGroup(group: GroupPattern, sink: State, proceedTo: State, optional: boolean): State {
    const always = this.#alwaysGuard()
    const first = this.#insideGroup(group, () => this.#convert(this.#buildMiddle(sink)))
    if (optional) first.add('proceed', proceedTo, always)
    return first
  }

  #buildLooping(sink: State): State {
    const { item } = this.#at.current
    if (item.kind === 'group') return this.#buildLoopingGroup(item, sink)
    const until = this.#until()
    const take = untilNot(this.#takeGuard(item), until)
    const ignore = this.#innerIgnoreGuard(item, until)
    const always = this.#alwaysGuard()
    const looping = this.#newTakingState('normal')
    if (isGreedy(item)) {
      if (until !== null) {
        const untouched = this.#copy(sink)
        looping.add('proceed', untouched, and(always, until))
        this.#beforeGreedy.set(sink, untouched)
      }
      looping.add('proceed', sink, until === null ? always : and(always, not(until)))
      narrow(sink, this.#takeGuard(item))
    } else {
      looping.add('proceed', sink, always)
    }
    looping.add('take', looping, take)
    this.#addFollowingStopEdge(looping)
    if (ignore !== null) {
      const waiting = this.#newState(item.index, 'normal')
      waiting.add('take', looping, take)
      waiting.add('ignore', waiting, ignore)
      looping.add('ignore', waiting, ignore)
      this.#addFollowingStopEdge(waiting)
    }
    return looping
  }

  #buildLoopingGroup(group: GroupPattern, sink: State): State {
    const always = this.#alwaysGuard()
    const again = this.#newTakingState('normal')
    const first = this.#insideGroup(group, () => {
      const head = this.#convert(this.#buildMiddle(again))
      head.add('proceed', sink, always)
      again.add('proceed', head, always)
      return head
    })
    return first
  }

  #insideGroup(group: GroupPattern, build: () => State): State {
    const outer = this.#at
    const groupContiguity = outer.current.previous === null ? 'strict' : group.contiguity
    this.#at = {
      current: lastLink(group.items),
      following: outer.following,
      group,
      groupContiguity,
    }
    const first = build()
    this.#at = outer
    return first
  }

  /** The negations that still hold when the current item is reached: see Flink's class of errors. */
  #currentNots(): NotCondition[] {
    const nots: NotCondition[] = []
    let previous = this.#at.current.previous
    while (previous !== null && (isOptional(previous.item) || isNotFollow(previous.item))) {
      const { item } = previous
      if (isNotFollow(item) && item.kind === 'step') {
        nots.push({ step: item.index, guard: this.#takeGuard(item) })
      }
      previous = previous.previous
    }
    return nots
  }

  /** The sink without the edges of negations that end once an optional item has taken an event. */
  #withoutTransitiveNots(sink: State): State {
    const nots = this.#currentNots()
    if (nots.length === 0 || !isOptional(this.#at.current.item)) return sink
    const copy = this.#newState(sink.step, sink.kind)
    for (const { action, target, guard } of sink.transitions) {
      if (action !== 'proceed') copy.add(action, target === sink ? copy : target, guard)
      else if (target.kind !== 'stop') copy.add(action, this.#withoutTransitiveNots(target), guard)
      else if (!nots.some((condition) => condition.step === target.step)) {
        copy.add(action, target, guard)
      }
    }
    return copy
  }

  #copy(state: State): State {
    const copy = this.#newState(state.step, state.kind)
    for (const { action, target, guard } of state.transitions) {
      copy.add(action, target === state ? copy : target, guard)
    }
    return copy
  }

  #addStopEdges(state: State): void {
    for (const { step, guard } of this.#currentNots()) {
      state.add('proceed', this.#stopState(step, guard), guard)
    }
  }

  #addFollowingStopEdge(state: State): void {
    const item = this.#at.following?.item
    if (item?.kind !== 'step' || !isNotFollow(item)) return
    const forbidden = this.#takeGuard(item)
    state.add('proceed', this.#stopState(item.index, forbidden), forbidden)
  }

  #stopState(step: number, forbidden: Guard): State {
    let state = this.#stopStates.get(step)
    if (state === undefined) {
      state = this.#newState(step, 'stop')
      state.add('take', state, forbidden)
      this.#stopStates.set(step, state)
    }
    return state
  }

  #takeGuard(item: PatternItem): Guard {
    const own = item.kind === 'step' ? guardOf(item.condition) : always
    return untilNot(own, this.#groupUntil())
  }

  #ignoreGuard(item: PatternItem): Guard | null {
    const { group, groupContiguity, current } = this.#at
    if (current.previous !== null) return this.#skipGuard(item, item.contiguity)
    // The first item of a pattern has nothing before it to be relaxed about; that of a group
    // stands to what is before the group as the group does.
    if (group === null) return this.#skipGuard(item, 'strict')
    const first = this.#firstOfLoop.get(group) ?? true
    return this.#skipGuard(item, first ? groupContiguity : innerOf(group))
  }

  #innerIgnoreGuard(item: PatternItem, until: Guard | null): Guard | null {
    const { group } = this.#at
    const contiguity = group !== null && this.#isHeadOfGroup() ? innerOf(group) : innerOf(item)
    const guard = this.#skipGuard(item, contiguity)
    return guard === null || until === null ? guard : and(not(until), guard)
  }

  /** Which events may be skipped while waiting for `item`; `null`: none. */
  #skipGuard(item: PatternItem, contiguity: Contiguity): Guard | null {
    if (contiguity === 'strict') return null
    const own = item.kind === 'step' ? guardOf(item.condition) : always
    return untilNot(contiguity === 'any' ? always : not(own), this.#groupUntil())
  }

  #alwaysGuard(): Guard {
    return untilNot(always, this.#groupUntil())
  }

  #groupUntil(): Guard | null {
    const until = this.#at.group?.until ?? null
    return until === null ? null : guardOf(until)
  }

  #until(): Guard | null {
    const { until } = this.#at.current.item
    return until === null ? null : guardOf(until)
  }

  #isHeadOfGroup(): boolean {
    return this.#at.group !== null && this.#at.current.previous === null
  }

  #isHeadOfOptionalGroup(): boolean {
    const { group } = this.#at
    if (group === null || !this.#isHeadOfGroup()) return false
    return (this.#firstOfLoop.get(group) ?? true) && isOptional(group)
  }

  #setFirstOfLoop(first: boolean): void {
    const { item } = this.#at.current
    if (item.kind === 'group') this.#firstOfLoop.set(item, first)
  }

  #currentStep(): number {
    const { item } = this.#at.current
    assert(item.kind === 'step', 'only a step can be negated')
    return item.index
  }

  /** A state that waits for an event of the current item, and so bears its step's time limit. */
  #newTakingState(kind: StateKind): State {
    const { item } = this.#at.current
    const step = item.kind === 'step' ? item.index : -1
    const firstOfStep = !this.#stepsSeen.has(step)
    const state = this.#newState(step, kind)
    if (item.quantifier.kind === 'single') {
      if (item.kind === 'step' && item.withinMs !== null) state.withinMs = item.withinMs
    } else if (!firstOfStep && item.quantifier.withinMs !== null) {
      // Flink leaves the state of a repeated step that it builds first without the limit.
      state.withinMs = item.quantifier.withinMs
    }
    return state
  }

  #newState(step: number, kind: StateKind): State {
    const state = new State(this.#states.length, step, kind)
    this.#states.push(state)
    this.#stepsSeen.add(step)
    return state
  }
}

function lastLink(items: readonly PatternItem[]): Link {
  let link: Link | null = null
  for (const item of items) link = { item, previous: link }
  assert(link !== null, 'a pattern has at least one item')
  return link
}

function isOptional(item: PatternItem): boolean {
  return item.quantifier.optional
}

function isGreedy(item: PatternItem): boolean {
  return item.quantifier.kind === 'times' && item.quantifier.greedy
}

function isNotFollow(item: PatternItem): boolean {
  return item.kind === 'step' && item.negated && item.contiguity !== 'strict'
}

function innerOf(item: PatternItem): Contiguity {
  return item.quantifier.kind === 'times' ? item.quantifier.inner : 'relaxed'
}

function untilNot(guard: Guard, until: Guard | null): Guard {
  return until === null ? guard : and(not(until), guard)
}

/** What a greedy loop can take is not for the state behind it. */
function narrow(sink: State, take: Guard): void {
  for (const transition of sink.transitions) {
    transition.guard = and(transition.guard, not(take))
  }
}
