import { joinPath } from './document-path.ts'
import type { DocumentReading } from './document-reading.ts'
import type { SequenceDetect, SequenceItem } from './rule.ts'

/**
 * Warns of what a sequence may keep in state, with the bound, of what greedy loops take from their
 * neighbours, and of steps named like a key.
 */
export function lintSequence(
  reading: DocumentReading,
  detect: SequenceDetect,
  keyNames: readonly string[],
): void {
  lintGreedy(reading, detect.items, true)
  const firsts = `${detect.limit} first events a key (\`limit\`)`
  const span = detect.withinMs === null ? 'without a time limit' : 'within the time limit'
  for (const item of everyItem(detect.items)) {
    if (item.contiguity === 'any') {
      const message = `\`contiguity: any\` branches at every event that fits: up to ${firsts}, each with one partial match for each event that fits ${span}`
      reading.warn(joinPath(item.path, 'contiguity'), message)
    }
    const { quantifier } = item
    if (quantifier.kind === 'times' && quantifier.inner === 'any') {
      const message = `\`inner: any\` keeps every choice of the n events that fit: up to 2^n partial matches for each of ${firsts}`
      reading.warn(joinPath(item.path, 'inner'), message)
    } else if (quantifier.kind === 'times' && quantifier.max === null) {
      const message = `an open loop keeps every event that fits ${span}: up to n events for each of ${firsts}`
      reading.warn(joinPath(item.path, 'times'), message)
    }
    if (keyNames.includes(item.name)) {
      const keyword = item.kind === 'group' ? 'group' : item.negated ? 'absent' : 'step'
      const message = `\`${item.name}\` is a name of the key too: in \`alert\` it stands for the step`
      reading.warn(joinPath(item.path, keyword), message)
    }
  }
}

/**
 * A greedy loop also narrows the ways past the item behind it, so that one which may be left out
 * means something else there. Flink's builder refuses it (but not as `times` from 0), its NFA
 * gives these answers.
 */
function lintGreedy(reading: DocumentReading, items: readonly SequenceItem[], isWhole: boolean) {
  for (const [index, item] of items.entries()) {
    if (item.kind === 'group') lintGreedy(reading, item.items, false)
    const before = items[index - 1]
    if (before === undefined || !isGreedyLoop(before) || !item.quantifier.optional) continue
    const isTail = isWhole && items.slice(index).every(({ quantifier }) => quantifier.optional)
    const message = isTail
      ? `\`${item.name}\` is not left out behind the greedy \`${before.name}\`: a match then ends with an event that \`${before.name}\` does not take; without \`greedy\` it may be`
      : `\`${item.name}\` may be left out behind the greedy \`${before.name}\`, which Flink CEP refuses: here no event that \`${before.name}\` can take goes to \`${item.name}\` or to what follows it`
    reading.warn(joinPath(item.path, item.kind), message)
  }
}

/** With a fixed number of repetitions there is nothing to choose. */
function isGreedyLoop({ quantifier }: SequenceItem): boolean {
  return quantifier.kind === 'times' && quantifier.greedy && quantifier.min !== quantifier.max
}

function* everyItem(items: readonly SequenceItem[]): Generator<SequenceItem> {
  for (const item of items) {
    yield item
    if (item.kind === 'group') yield* everyItem(item.items)
  }
}
