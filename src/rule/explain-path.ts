import type { CompiledPattern } from '../nfa/nfa-compiler.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import { explainAutomaton } from './explain-automaton.ts'
import type { CheckedRule } from './expression-check.ts'
import { type ConditionJudge, type FailedConjunct, NearMissJudge } from './near-miss.ts'
import { eventTextOf } from './redacted-reads.ts'
import { rulePatternOf } from './rule-pattern.ts'
import type { TracedKey, TracedOutcome, TracedPath } from './tracing-operator.ts'

/** How far a partial match got, and why no further. */
export interface ExplainedPath {
  /** Step → positions of the events that it took. */
  readonly steps: Readonly<Record<string, readonly number[]>>
  readonly outcome: PathOutcome
  /** The states of the automaton that it waited in last; empty where it matched. */
  readonly states: readonly string[]
  /** Steps of which it could have taken the next event. */
  readonly waitedFor: readonly string[]
  /** The events that came nearest to being taken next: least parts failed first, at most 3. */
  readonly nearMisses: readonly NearMiss[]
}

/** Events are named by position; times are epoch ms. */
export type PathOutcome =
  | { readonly kind: 'matched'; readonly at: number }
  /** `until` is when its time runs out; `null`: never. */
  | { readonly kind: 'open'; readonly until: number | null }
  /** Complete, but held back by `emit_order: start`. */
  | { readonly kind: 'held' }
  /** No event began one. */
  | { readonly kind: 'not_begun' }
  | { readonly kind: 'expired'; readonly at: number }
  /** By an event that fits an absent step. */
  | { readonly kind: 'stopped'; readonly by: number; readonly step: string }
  /** Strict contiguity did not allow the event. */
  | { readonly kind: 'broken'; readonly by: number }
  | { readonly kind: 'cancelled'; readonly by: number }
  /** By `after_match`, as a match came. */
  | { readonly kind: 'skipped'; readonly at: number }

/** An event that was not taken. */
export interface NearMiss {
  readonly position: number
  readonly step: string
  /** The parts of the step's condition that did not hold; empty: only time or place was wrong. */
  readonly failed: readonly FailedConjunct[]
  /** How long after the time limit it came, ms; `null`: it came in time. */
  readonly tooLateMs: number | null
}

const nearMissesMax = 3

/** Events looked at for near misses: so many before the end of a partial match, and after it. */
const lookedAtMax = 100

/** Turns what was traced into what is told. */
export class PathReader {
  readonly #compiled: CompiledPattern
  readonly #judges: readonly ConditionJudge[]
  readonly #stateNames: ReadonlyMap<number, string>

  constructor(checked: CheckedRule, compiled: CompiledPattern) {
    this.#compiled = compiled
    const stepNames = compiled.steps.map(({ name }) => name)
    const judge = new NearMissJudge(stepNames, eventTextOf([checked]))
    const pattern = rulePatternOf(checked)
    this.#judges = pattern.steps.map((condition) => judge.judgeOf(condition))
    this.#stateNames = explainAutomaton(pattern).names
  }

  read(key: TracedKey): ExplainedPath[] {
    const paths = key.paths
      .filter(({ outcome }) => outcome?.kind !== 'continued')
      .map((path) => this.#explain(key, path))
    const held = [...key.held].map((taken): ExplainedPath => {
      const steps = this.#stepsOf(taken)
      return { steps, outcome: { kind: 'held' }, states: [], waitedFor: [], nearMisses: [] }
    })
    if (key.paths.length + held.length > 0) return [...paths, ...held]
    const { start } = this.#compiled
    const events = key.events.filter(({ exists }) => exists).map(({ event }) => event)
    return [
      {
        steps: {},
        outcome: { kind: 'not_begun' },
        states: this.#statesOf([start]),
        waitedFor: this.#namesOf(this.#waitsFor([start])),
        nearMisses: this.#nearMisses([start], events.slice(-lookedAtMax), null, Infinity),
      },
    ]
  }

  #explain(key: TracedKey, path: TracedPath): ExplainedPath {
    const outcome = this.#outcomeOf(path)
    const waits = outcome.kind === 'matched' ? [] : path.states
    return {
      steps: this.#stepsOf(path.taken),
      outcome,
      states: this.#statesOf(waits),
      waitedFor: this.#namesOf(this.#waitsFor(waits)),
      nearMisses: this.#nearMisses(
        waits,
        eventsAround(key, path),
        path.taken,
        outcome.kind === 'expired' ? outcome.at : Infinity,
      ),
    }
  }

  #outcomeOf(path: TracedPath): PathOutcome {
    const { outcome } = path
    if (outcome === null) return { kind: 'open', until: this.#deadlineOf(path) }
    switch (outcome.kind) {
      case 'matched':
      case 'expired':
      case 'skipped':
        return outcome
      case 'stopped': {
        const step = this.#compiled.steps[outcome.step]?.name ?? ''
        return { kind: 'stopped', by: outcome.event.offset, step }
      }
      case 'broken':
      case 'cancelled':
        return { kind: outcome.kind, by: outcome.event.offset }
      case 'continued':
        return { kind: 'skipped', at: path.taken.event.timestamp }
    }
  }

  /** The first of the limits of the whole and of the states that it waits in. */
  #deadlineOf({ taken, states }: TracedPath): number | null {
    const { withinMs } = this.#compiled
    const limits = states.map((state) => this.#compiled.states[state]?.withinMs ?? 0)
    const step = Math.max(...limits.map((limit) => (limit === 0 ? Infinity : limit)))
    const whole = withinMs === 0 ? Infinity : firstOf(taken).timestamp + withinMs
    const deadline = Math.min(whole, taken.event.timestamp + step)
    return deadline === Infinity ? null : deadline
  }

  #stepsOf(taken: TakenEvent): Record<string, number[]> {
    const steps = new Map<string, number[]>()
    for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
      const name = this.#compiled.steps[link.step]?.name as string
      steps.set(name, [link.event.offset, ...(steps.get(name) ?? [])])
    }
    return Object.fromEntries([...steps].reverse())
  }

  #waitsFor(states: readonly number[]): number[] {
    const steps = states.flatMap((state) =>
      (this.#compiled.states[state]?.edges ?? []).flatMap(({ action, target, step }) =>
        action === 'take' && this.#compiled.states[target]?.kind !== 'stop' ? [step] : [],
      ),
    )
    return [...new Set(steps)]
  }

  #statesOf(states: readonly number[]): string[] {
    return states.map((state) => this.#stateNames.get(state) ?? '')
  }

  #namesOf(steps: readonly number[]): string[] {
    return steps.map((step) => this.#compiled.steps[step]?.name as string)
  }

  #nearMisses(
    states: readonly number[],
    events: readonly Event[],
    taken: TakenEvent | null,
    expiredAt: number,
  ): NearMiss[] {
    const steps = this.#waitsFor(states)
    const misses = [...events].reverse().flatMap((event) =>
      steps.map((step): NearMiss => {
        const { timestamp, offset } = event
        return {
          position: offset,
          step: this.#compiled.steps[step]?.name ?? '',
          failed: this.#judges[step]?.(event, taken) ?? [],
          tooLateMs: timestamp >= expiredAt ? timestamp - expiredAt : null,
        }
      }),
    )
    // The sort is stable: of equally near ones the latest comes first.
    return misses.sort((a, b) => distance(a) - distance(b)).slice(0, nearMissesMax)
  }
}

function distance({ failed, tooLateMs }: NearMiss): number {
  return failed.length + (tooLateMs === null ? 0 : 0.5)
}

/**
 * The events that a partial match saw after its last one, those that ended it among them; where
 * its time ran out, those that came too late as well.
 */
function eventsAround(key: TracedKey, { seen, outcome }: TracedPath): Event[] {
  const events = key.events.slice(seen).flatMap(({ event, exists }) => (exists ? [event] : []))
  const before = events.filter((event) => outcome === null || !isAfter(event, outcome))
  const after = outcome?.kind === 'expired' ? events.slice(before.length) : []
  return [...before.slice(-lookedAtMax), ...after.slice(0, lookedAtMax)]
}

function isAfter(event: Event, outcome: TracedOutcome): boolean {
  switch (outcome.kind) {
    case 'expired':
      return event.timestamp >= outcome.at
    case 'matched':
    case 'skipped':
      return event.timestamp > outcome.at
    case 'stopped':
    case 'broken':
    case 'cancelled':
      return event.timestamp > outcome.event.timestamp
    case 'continued':
      return true
  }
}

function firstOf(taken: TakenEvent): Event {
  let link = taken
  while (link.previous !== null) link = link.previous
  return link.event
}
