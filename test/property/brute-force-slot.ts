import type { Condition, Contiguity, PatternItem, StepPattern } from '../../src/pattern/pattern.ts'

/** A place for one event in a way through the pattern, with what holds on the way to it. */
export interface Slot {
  /** Unique among the slots that may stand at this place. */
  readonly id: string
  readonly step: StepPattern
  /** To the slot before. */
  readonly contiguity: Contiguity
  /** Must not occur after the slot before and before this one. */
  readonly absent: readonly StepPattern[]
  /** Must not be the very next event after the slot before. */
  readonly notNext: readonly StepPattern[]
  /** Loops that this event, or one skipped on the way, would end. */
  readonly until: readonly Condition[]
  /** The same, for this event only. */
  readonly ownUntil: readonly Condition[]
  /** Greedy loops that were left before this slot: what they could take is not for it. */
  readonly greedy: readonly StepPattern[]
}

/** One way through a pattern: which steps take an event, in order, and how it ends. */
export interface SlotSequence {
  readonly slots: readonly Slot[]
  /** What trails after the last slot; `null`: longer than any stream, the end does not matter. */
  readonly ending: { readonly absent: StepPattern | null; readonly notNext: StepPattern[] } | null
}

/**
 * All ways through the items that take at most `length` events; longer ones are cut there.
 * Each repeated item is written out as often as it may stand, each optional one left out or not.
 */
export function slotSequencesOf(items: readonly PatternItem[], length: number): SlotSequence[] {
  return writeOut(items, { id: '', contiguity: null, until: [] }, length).map((tokens) =>
    sequenceOf(tokens, length),
  )
}

type Token =
  | { readonly kind: 'slot'; readonly slot: Slot }
  | { readonly kind: 'negation'; readonly step: StepPattern }
  | { readonly kind: 'left'; readonly step: StepPattern }

interface Place {
  readonly id: string
  /** Contiguity of the first slot where a group around it says so. */
  readonly contiguity: Contiguity | null
  /** Conditions that end the groups around. */
  readonly until: readonly Condition[]
}

function writeOut(items: readonly PatternItem[], place: Place, length: number): Token[][] {
  let ways: Token[][] = [[]]
  items.forEach((item, index) => {
    const at = {
      id: `${place.id}/${index}`,
      contiguity: index === 0 ? place.contiguity : null,
      until: place.until,
    }
    const rounds = roundsOf(item, items[index + 1], at, length)
    ways = ways.flatMap((way) =>
      slotCount(way) >= length ? [way] : rounds.map((round) => [...way, ...round]),
    )
  })
  return ways
}

/** An item written out once for each number of repetitions that it may have. */
function roundsOf(
  item: PatternItem,
  following: PatternItem | undefined,
  place: Place,
  length: number,
): Token[][] {
  if (item.kind === 'step' && item.negated) return [[{ kind: 'negation', step: item }]]
  const { quantifier } = item
  const min = quantifier.kind === 'single' ? 1 : quantifier.min
  const max = quantifier.kind === 'single' ? 1 : (quantifier.max ?? Math.max(length, min))
  const greedy = quantifier.kind === 'times' && quantifier.greedy && quantifier.max !== min
  const ways: Token[][] = quantifier.optional ? [[]] : []
  let repeated: Token[][] = [[]]
  for (let round = 0; round < max; round++) {
    const once = roundOf(item, following, round, place, length)
    repeated = repeated.flatMap((way) =>
      slotCount(way) >= length ? [] : once.map((next) => [...way, ...next]),
    )
    if (round + 1 >= min) ways.push(...repeated)
    else ways.push(...repeated.filter((way) => slotCount(way) >= length))
  }
  if (!greedy || item.kind !== 'step') return ways
  return ways.map((way) => [...way, { kind: 'left', step: item }])
}

function roundOf(
  item: PatternItem,
  following: PatternItem | undefined,
  round: number,
  place: Place,
  length: number,
): Token[][] {
  const inner = item.quantifier.kind === 'times' ? item.quantifier.inner : 'relaxed'
  const contiguity = round === 0 ? (place.contiguity ?? item.contiguity) : inner
  const id = `${place.id}#${round}`
  const until = item.until === null ? [] : [item.until]
  if (item.kind === 'group') {
    return writeOut(item.items, { id, contiguity, until: [...place.until, ...until] }, length)
  }
  const guarded = round > 0 && following !== undefined && isRelaxedNegation(following)
  const slot: Slot = {
    id,
    step: item,
    contiguity,
    absent: guarded ? [following] : [],
    notNext: [],
    until: round === 0 ? place.until : [...place.until, ...until],
    ownUntil: until,
    greedy: [],
  }
  return [[{ kind: 'slot', slot }]]
}

/** Hands what stands between two slots to the second of them. */
function sequenceOf(tokens: readonly Token[], length: number): SlotSequence {
  const slots: Slot[] = []
  let absent: StepPattern[] = []
  let notNext: StepPattern[] = []
  let greedy: StepPattern[] = []
  for (const token of tokens) {
    if (token.kind === 'left') greedy.push(token.step)
    else if (token.kind === 'negation') {
      if (token.step.contiguity === 'strict') notNext.push(token.step)
      else absent.push(token.step)
    } else {
      const { slot } = token
      slots.push({ ...slot, absent: [...slot.absent, ...absent], notNext, greedy })
      absent = []
      notNext = []
      greedy = []
    }
  }
  if (slots.length >= length) return { slots: slots.slice(0, length), ending: null }
  return { slots, ending: { absent: absent[0] ?? null, notNext } }
}

function slotCount(tokens: readonly Token[]): number {
  return tokens.filter((token) => token.kind === 'slot').length
}

function isRelaxedNegation(item: PatternItem): item is StepPattern {
  return item.kind === 'step' && item.negated && item.contiguity !== 'strict'
}
