import fc from 'fast-check'
import type { AfterMatchSkipStrategy } from '../../src/pattern/after-match-skip-strategy.ts'
import {
  type Condition,
  type Contiguity,
  type GroupPattern,
  type Pattern,
  type PatternItem,
  type StepPattern,
  stepsOf,
} from '../../src/pattern/pattern.ts'
import { type Quantifier, single } from '../../src/pattern/quantifier.ts'
import { type ArrivedEvent, type Event, eventOf, type TakenEvent } from '../../src/stream/event.ts'

const letters = ['a', 'b', 'c', 'd'] as const
/** Predicates 0 to 3 ask for a letter, 4 for a or b, 5 for a value of 2 or more. */
const predicates: readonly ((letter: number, value: number) => boolean)[] = [
  (letter) => letter === 0,
  (letter) => letter === 1,
  (letter) => letter === 2,
  (letter) => letter === 3,
  (letter) => letter < 2,
  (_letter, value) => value >= 2,
]

/** Short streams of one key in order of time, with ties. */
export const eventsArbitrary: fc.Arbitrary<ArrivedEvent[]> = streamArbitrary(8)

/** The same of up to so many events. */
export function streamArbitrary(maxLength: number): fc.Arbitrary<ArrivedEvent[]> {
  const draft = fc.record({
    letter: fc.constantFrom(0, 0, 1, 1, 2, 3),
    value: fc.nat(3),
    afterMs: fc.constantFrom(0, 0, 1, 1, 2, 3),
  })
  return fc.array(draft, { minLength: 1, maxLength, size: 'max' }).map((drafts) => {
    let timestamp = 0
    return drafts.map(({ letter, value, afterMs }, offset) => {
      timestamp += afterMs
      return letterEvent(letter, value, timestamp, offset)
    })
  })
}

/** A stream written as letters, `a c b`, one event a millisecond. */
export function eventsOf(text: string): ArrivedEvent[] {
  return text
    .split(' ')
    .map((letter, offset) => letterEvent(letters.indexOf(letter as 'a'), 0, offset, offset))
}

/** The event's one field holds its value. */
function letterEvent(
  letter: number,
  value: number,
  timestamp: number,
  offset: number,
): ArrivedEvent {
  const bits = predicates.reduce(
    (mask, fits, index) => (fits(letter, value) ? mask | (1 << index) : mask),
    0,
  )
  const split = { stream: 's', partition: 0 }
  return eventOf(timestamp, split, offset, bits, [], [value], `${letters[letter]}${value}`)
}

const contiguityArbitrary = fc.constantFrom<Contiguity>('relaxed', 'relaxed', 'strict', 'any')

/** Patterns of one to four items; a few of them are malformed. */
export const patternArbitrary: fc.Arbitrary<Pattern> = fc
  .record({
    items: fc.oneof(...[1, 2, 2, 3, 3, 3, 4].map(itemsArbitrary)),
    withinMs: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 9 })),
    afterMatch: fc.record({
      kind: fc.constantFrom<AfterMatchSkipStrategy['kind']>(
        'no_skip',
        'no_skip',
        'no_skip',
        'skip_to_next',
        'skip_past_last',
        'skip_to_first',
        'skip_to_last',
      ),
      step: fc.nat(4),
      throwOnMiss: fc.constant(false),
    }),
  })
  .map(({ items, withinMs, afterMatch }) => {
    const numbered = numberSteps(items)
    const steps = stepsOf(numbered).filter(({ negated }) => !negated)
    const target = steps[afterMatch.step % steps.length]?.index ?? 0
    return { items: numbered, withinMs, afterMatch: { ...afterMatch, step: target } }
  })

function itemsArbitrary(length: number): fc.Arbitrary<PatternItem[]> {
  return fc.array(itemArbitrary(), { minLength: length, maxLength: length })
}

/** What no pattern can have is set right: a negation as the first item. */
function numberSteps(items: readonly PatternItem[]): PatternItem[] {
  let index = 0
  const number = (item: PatternItem): PatternItem =>
    item.kind === 'group'
      ? { ...item, items: item.items.map(number) }
      : { ...item, negated: item.negated && index > 0, index: index++, name: `s${index}` }
  return items.map(number)
}

function mostlyNull<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })
}

function itemArbitrary(): fc.Arbitrary<PatternItem> {
  const step = stepArbitrary()
  return fc.oneof(
    { weight: 8, arbitrary: step },
    { weight: 2, arbitrary: negationArbitrary() },
    { weight: 1, arbitrary: groupArbitrary(step) },
  )
}

function stepArbitrary(): fc.Arbitrary<StepPattern> {
  return fc
    .record({
      contiguity: contiguityArbitrary,
      condition: conditionArbitrary(true),
      quantifier: quantifierArbitrary(true),
      until: fc.oneof(fc.constant(null), conditionArbitrary(false)),
      withinMs: mostlyNull(fc.integer({ min: 1, max: 5 })),
    })
    .map(({ until, ...draft }) => ({
      kind: 'step',
      index: 0,
      name: '',
      negated: false,
      ...draft,
      until: isOpen(draft.quantifier) ? until : null,
    }))
}

function negationArbitrary(): fc.Arbitrary<StepPattern> {
  return fc
    .record({
      contiguity: fc.constantFrom<Contiguity>('strict', 'relaxed'),
      condition: conditionArbitrary(false),
      withinMs: mostlyNull(fc.integer({ min: 1, max: 5 })),
    })
    .map((draft) => ({
      kind: 'step',
      index: 0,
      name: '',
      negated: true,
      quantifier: single,
      until: null,
      ...draft,
    }))
}

function groupArbitrary(step: fc.Arbitrary<StepPattern>): fc.Arbitrary<GroupPattern> {
  return fc
    .record({
      items: fc.array(step, { minLength: 1, maxLength: 3 }),
      contiguity: contiguityArbitrary,
      quantifier: quantifierArbitrary(false),
      until: fc.oneof(fc.constant(null), conditionArbitrary(false)),
    })
    .map(({ until, ...draft }) => ({
      kind: 'group',
      ...draft,
      until: isOpen(draft.quantifier) ? until : null,
    }))
}

function quantifierArbitrary(mayBeGreedy: boolean): fc.Arbitrary<Quantifier> {
  const times = fc
    .record({
      min: fc.integer({ min: 1, max: 3 }),
      more: mostlyNull(fc.nat(2)),
      optional: fc.constantFrom(false, false, true),
      greedy: mayBeGreedy ? fc.constantFrom(false, false, true) : fc.constant(false),
      inner: contiguityArbitrary,
    })
    .map(({ more, min, ...rest }): Quantifier => {
      const greedy = rest.greedy && rest.inner !== 'any'
      const max = more === null ? null : min + more
      return { kind: 'times', min, max, ...rest, greedy, withinMs: null }
    })
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(single) },
    { weight: 1, arbitrary: fc.constant<Quantifier>({ kind: 'single', optional: true }) },
    { weight: 3, arbitrary: times },
  )
}

function conditionArbitrary(mayBeNull: boolean): fc.Arbitrary<Condition | null> {
  const unary = fc
    .constantFrom(0, 0, 0, 1, 1, 1, 2, 3, 4, 5)
    .map((predicate): Condition => ({ kind: 'unary', predicate }))
  const iterative = fc.record({
    predicate: fc.constantFrom(0, 1, 2, 4, null),
    step: fc.nat(3),
    mode: fc.constantFrom<IterativeMode>('above_last', 'sum_below', 'count_below'),
    value: fc.integer({ min: 1, max: 4 }),
  })
  return fc.oneof(
    { weight: 8, arbitrary: unary },
    { weight: 2, arbitrary: iterative.map(iterativeCondition) },
    ...(mayBeNull ? [{ weight: 1, arbitrary: fc.constant(null) }] : []),
  )
}

type IterativeMode = 'above_last' | 'sum_below' | 'count_below'

function iterativeCondition(draft: {
  predicate: number | null
  step: number
  mode: IterativeMode
  value: number
}): Condition {
  const { predicate, step, mode, value } = draft
  const test = (event: Event, taken: TakenEvent | null): boolean => {
    const values = valuesOf(step, taken)
    switch (mode) {
      case 'above_last':
        return values.length > 0 && (event.field(0) as number) > (values[0] as number)
      case 'sum_below':
        return values.reduce((sum, next) => sum + next, event.field(0) as number) <= value
      case 'count_below':
        return values.length < value
    }
  }
  // The name is what a counterexample shows of the condition.
  Object.defineProperty(test, fc.toStringMethod, { value: () => JSON.stringify(draft) })
  return { kind: 'iterative', predicate, test }
}

/** Values of a step's events, the last one first. */
function valuesOf(step: number, taken: TakenEvent | null): number[] {
  const values: number[] = []
  for (let link = taken; link !== null; link = link.previous) {
    if (link.step === step) values.push(link.event.field(0) as number)
  }
  return values
}

function isOpen(quantifier: Quantifier): boolean {
  return quantifier.kind === 'times' && quantifier.max === null
}

/** Whether some event of the streams may fit both conditions, as far as letters tell. */
export function mayBothFit(a: Condition | null, b: Condition | null): boolean {
  return letters.some((_, letter) => mayFit(a, letter) && mayFit(b, letter))
}

function mayFit(condition: Condition | null, letter: number): boolean {
  const predicate = condition?.predicate ?? null
  return predicate === null || (predicates[predicate]?.(letter, 3) ?? false)
}
