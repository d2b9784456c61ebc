import {
  type Condition,
  type Pattern,
  type PatternItem,
  stepsOf,
} from '../../src/pattern/pattern.ts'

/** Whether one event may fit both conditions. */
export type Overlap = (a: Condition | null, b: Condition | null) => boolean

/**
 * Why the brute-force matcher does not speak for a pattern: the name of a corner, or `null` if it
 * does. In these corners Flink CEP's answers (2.3.0), which the automaton gives, do not follow
 * from the definitions: they come from how its states are laid. The conformance cases hold them.
 */
export function cornerOf(pattern: Pattern, overlap: Overlap): string | null {
  const places = placesOf(pattern.items, false)
  return corners.find(([, has]) => places.some((place) => has(place, overlap)))?.[0] ?? null
}

interface Place {
  readonly item: PatternItem
  readonly before: PatternItem | null
  readonly after: PatternItem | null
  readonly inGroup: boolean
}

const corners: readonly (readonly [string, (place: Place, overlap: Overlap) => boolean])[] = [
  // Two states of a repeated step are without its limit: one of them, and the one that skips.
  [
    'times.within',
    ({ item }) => item.quantifier.kind === 'times' && item.quantifier.withinMs !== null,
  ],
  // A state from which more than one step can follow has the limit of at most one of them.
  ['within of a step that is not alone between single steps', hasSharedLimit],
  // The first is lost, or its guard is asked of the wrong event.
  ['two negations in a row', ({ item, before }) => isNegated(item) && isNegated(before)],
  // Is there a round that takes nothing?
  [
    'group whose steps may all be left out',
    ({ item }) => item.kind === 'group' && mayBeEmpty(item.items),
  ],
  // What is behind the optional item is reached by a guard that is asked of the event before.
  [
    'negation before an optional item',
    ({ item, before }) => isNegated(before) && startsOptional(item),
  ],
  // A loop that took the last event before the deadline counts as unfinished: a timeout.
  [
    'trailing negation after a loop',
    ({ item, before, after }) => isNegated(item) && after === null && !isPlain(before),
  ],
  // The same, and what `checkPattern` refuses of steps: a negation right after an optional one.
  [
    'negation after a group that ends in a loop or an optional step',
    ({ item, before }) => isNegated(item) && before?.kind === 'group' && !isPlain(endOf(before)),
  ],
  // A forbidden event right after any repetition ends the loop too, though it could go on.
  [
    'strict negation after a loop',
    ({ item, before }) => isNegated(item) && item.contiguity === 'strict' && varies(before),
  ],
  // The negation goes on while the repetitions past the least number are waited for.
  [
    'negation before a bounded loop',
    ({ item, before }) => isNegated(before) && varies(item) && !isOpen(item),
  ],
  // An event that a neighbour takes and the negation forbids drops what is open, yet completes.
  ['negation that overlaps its neighbours', negationOverlaps],
  // The way past the optional item is narrowed too, and asked of the event that the loop takes.
  [
    'greedy loop before an optional item',
    ({ item, before }) => isGreedy(before) && startsOptional(item),
  ],
  // Once past the loop, an event that would end it still counts as one that it could take.
  ['greedy loop with until', ({ item }) => isGreedy(item) && item.until !== null],
  // What follows is narrowed for those too that left the group out.
  ['greedy loop in a group', ({ item, inGroup }) => inGroup && isGreedy(item)],
  // While a group waits for its next round the way on stays open: matches come twice, and
  // what follows may skip an event that fits.
  ['group with a varying number of rounds', ({ item }) => item.kind === 'group' && varies(item)],
  // The group's contiguity counts in place of the loop's own `inner`.
  [
    'loop at the head of a group',
    ({ item }) => item.kind === 'group' && item.items[0]?.quantifier.kind === 'times',
  ],
]

function hasSharedLimit({ item, before, inGroup }: Place): boolean {
  if (item.kind === 'group' || item.withinMs === null) return false
  if (inGroup || !isPlain(item) || (item.negated && item.contiguity === 'strict')) return true
  return before !== null && (!isPlain(before) || before.kind === 'group' || before.negated)
}

function negationOverlaps({ item, before, after }: Place, overlap: Overlap): boolean {
  if (item.kind === 'group' || !item.negated) return false
  const neighbours = [after, isPlain(before) && before?.kind === 'step' ? null : before]
  return neighbours.some(
    (other) =>
      other !== null && stepsOf([other]).some((step) => overlap(step.condition, item.condition)),
  )
}

function placesOf(items: readonly PatternItem[], inGroup: boolean): Place[] {
  return items.flatMap((item, index) => [
    { item, before: items[index - 1] ?? null, after: items[index + 1] ?? null, inGroup },
    ...(item.kind === 'group' ? placesOf(item.items, true) : []),
  ])
}

function isNegated(item: PatternItem | null): boolean {
  return item?.kind === 'step' && item.negated
}

function isGreedy(item: PatternItem | null): boolean {
  return item?.quantifier.kind === 'times' && item.quantifier.greedy
}

function startsOptional(item: PatternItem): boolean {
  if (item.quantifier.optional) return true
  const head = item.kind === 'group' ? item.items[0] : undefined
  return head !== undefined && startsOptional(head)
}

function endOf(item: PatternItem): PatternItem {
  const last = item.kind === 'group' ? item.items.at(-1) : undefined
  return last === undefined ? item : endOf(last)
}

function varies(item: PatternItem | null): boolean {
  return item?.quantifier.kind === 'times' && item.quantifier.max !== item.quantifier.min
}

function isOpen(item: PatternItem): boolean {
  return item.quantifier.kind === 'times' && item.quantifier.max === null
}

function isPlain(item: PatternItem | null): boolean {
  return item?.quantifier.kind === 'single' && !item.quantifier.optional
}

function mayBeEmpty(items: readonly PatternItem[]): boolean {
  return items.every(
    (item) => item.quantifier.optional || (item.kind === 'group' && mayBeEmpty(item.items)),
  )
}
