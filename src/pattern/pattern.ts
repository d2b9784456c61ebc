import type { Event, TakenEvent } from '../stream/event.ts'
import type { AfterMatchSkipStrategy } from './after-match-skip-strategy.ts'
import type { Quantifier } from './quantifier.ts'

/**
 * How an item stands to the one before it: `strict` takes the very next event, `relaxed` skips
 * what does not fit, `any` may also skip what fits.
 */
export type Contiguity = 'strict' | 'relaxed' | 'any'

/** A test of an event; `null` in a step stands for "every event". */
export type Condition =
  /** Reads the event only; evaluated over the arrival batch, its outcome is a bit of the event. */
  | { readonly kind: 'unary'; readonly predicate: number }
  /** Reads what the partial match has taken too. */
  | {
      readonly kind: 'iterative'
      /** The part of the condition that reads the event only, as above; `null`: there is none. */
      readonly predicate: number | null
      readonly test: (event: Event, taken: TakenEvent | null) => boolean
    }

/** A step takes events; a negated one says which must not occur. */
export interface StepPattern {
  readonly kind: 'step'
  /** Index of the step among all steps of the pattern, groups' included, in order of writing. */
  readonly index: number
  readonly name: string
  readonly negated: boolean
  readonly contiguity: Contiguity
  readonly condition: Condition | null
  readonly quantifier: Quantifier
  /** Ends an open loop; the event is not taken by it. */
  readonly until: Condition | null
  /** Longest time from the event taken before to this step's event; no effect on a loop. */
  readonly withinMs: number | null
}

/** A sequence that stands as one step. */
export interface GroupPattern {
  readonly kind: 'group'
  readonly items: readonly PatternItem[]
  readonly contiguity: Contiguity
  readonly quantifier: Quantifier
  readonly until: Condition | null
}

export type PatternItem = StepPattern | GroupPattern

/** What to look for: items in order, a time limit, and what to drop after a match. */
export interface Pattern {
  readonly items: readonly PatternItem[]
  /** Time limit from a match's first event to its last; `null` is none. */
  readonly withinMs: number | null
  readonly afterMatch: AfterMatchSkipStrategy
}

/** All steps of a pattern in order of writing: `steps[i].index === i`. */
export function stepsOf(items: readonly PatternItem[]): StepPattern[] {
  return items.flatMap((item) => (item.kind === 'step' ? [item] : stepsOf(item.items)))
}
