import { nearName } from '../expression/near-name.ts'
import { joinPath } from './document-path.ts'
import type { DocumentReading } from './document-reading.ts'
import {
  type AfterMatch,
  type SequenceDetect,
  type SequenceItem,
  type StepItem,
  stepItemsOf,
} from './rule.ts'

/** Checks how the items of a sequence go together, which no single keyword shows. */
export function checkSequence(reading: DocumentReading, detect: SequenceDetect): void {
  checkNames(reading, detect.items)
  checkOrder(reading, detect.items, 'sequence')
  checkEnd(reading, detect)
  checkLimits(reading, detect)
  checkAfterMatch(reading, detect)
}

/** Names that resolve before those of steps. */
const reserved = ['event', 'event_time', 'stream', 'tables', 'key', 'true', 'false', 'null', 'in']

function checkNames(reading: DocumentReading, items: readonly SequenceItem[]): void {
  const first = new Map<string, string>()
  for (const item of allItems(items)) {
    const path = joinPath(item.path, keywordOf(item))
    const other = first.get(item.name)
    if (other !== undefined) {
      const { line } = reading.document.locate(other)
      const message = `the name \`${item.name}\` stands twice in the sequence, first in line ${line}`
      reading.report('RULE_PATTERN', path, message)
    } else if (reserved.includes(item.name)) {
      const message = `\`${item.name}\` has a meaning of its own in expressions: choose another name`
      reading.report('RULE_PATTERN', path, message)
    } else first.set(item.name, path)
  }
}

function checkOrder(
  reading: DocumentReading,
  items: readonly SequenceItem[],
  within: 'sequence' | 'group',
): void {
  for (const [index, item] of items.entries()) {
    // What stands behind an item that could not be read has lost its neighbour.
    if (!item.path.endsWith(`[${index}]`)) break
    const previous = items[index - 1]
    if (item.kind === 'group') checkOrder(reading, item.items, 'group')
    if (previous === undefined) checkFirst(reading, item)
    else checkNeighbours(reading, previous, item)
    if (isAbsent(item) && item.contiguity === 'any') {
      const message = 'an `absent` item is `strict` or `relaxed`: nothing can be skipped for it'
      reading.report('RULE_PATTERN', joinPath(item.path, 'contiguity'), message)
    }
  }
  const last = items.at(-1)
  if (within === 'group' && last !== undefined && isAbsent(last)) {
    const message =
      'an `absent` item at the end of a group guards nothing, neither between its rounds nor behind it: put it after the group'
    reading.warn(joinPath(last.path, 'absent'), message)
  }
}

function checkFirst(reading: DocumentReading, item: SequenceItem): void {
  if (isAbsent(item)) {
    const message = 'an `absent` item cannot be the first: nothing comes before it'
    reading.report('RULE_PATTERN', joinPath(item.path, 'absent'), message)
  } else if (item.contiguity !== 'relaxed') {
    const message = '`contiguity` says nothing of the first item: no item comes before it'
    reading.warn(joinPath(item.path, 'contiguity'), message)
  }
}

function checkNeighbours(
  reading: DocumentReading,
  previous: SequenceItem,
  item: SequenceItem,
): void {
  const { quantifier } = previous
  if (isAbsent(item) && quantifier.optional) {
    const message = `an \`absent\` item cannot follow \`${previous.name}\`, which may be left out`
    reading.report('RULE_PATTERN', joinPath(item.path, 'absent'), message)
  }
}

function checkEnd(reading: DocumentReading, detect: SequenceDetect): void {
  const last = detect.items.at(-1)
  if (last === undefined || !isAbsent(last) || last.contiguity === 'strict') return
  if (detect.withinMs !== null || last.withinMs !== null) return
  if (reading.holdsTaint('detect.within') || reading.holdsTaint('detect.sequence')) return
  const message = 'a relaxed `absent` item at the end needs a time limit: give `within`'
  reading.report('RULE_PATTERN', joinPath(last.path, 'absent'), message)
}

function checkLimits(reading: DocumentReading, detect: SequenceDetect): void {
  const { withinMs } = detect
  for (const item of allItems(detect.items)) {
    const { quantifier } = item
    const limits: [string, number | null][] = [
      ['times.within', quantifier.kind === 'times' ? quantifier.withinMs : null],
    ]
    // On a loop the keyword has no effect, as in Flink.
    if (item.kind === 'step' && quantifier.kind === 'single') limits.push(['within', item.withinMs])
    for (const [keyword, limitMs] of limits) {
      if (limitMs === null || withinMs === null || limitMs <= withinMs) continue
      const message = `the step's \`within\` is longer than that of the whole sequence`
      reading.report('RULE_PATTERN', `${item.path}.${keyword}`, message)
    }
    if (item.kind === 'step' && item.withinMs !== null) checkStepLimit(reading, item, detect)
  }
}

function checkStepLimit(reading: DocumentReading, item: StepItem, detect: SequenceDetect): void {
  const path = joinPath(item.path, 'within')
  if (item === detect.items[0]) reading.warn(path, '`within` says nothing of the first step')
  else if (item.quantifier.kind === 'times') {
    reading.warn(
      path,
      '`within` has no effect on a loop: `times: { within }` limits its repetitions',
    )
  }
}

function checkAfterMatch(reading: DocumentReading, detect: SequenceDetect): void {
  const { afterMatch } = detect
  if (!('step' in afterMatch) || reading.holdsTaint('detect.sequence')) return
  const path = joinPath('detect.after_match', afterMatch.kind)
  const items = [...allItems(detect.items)]
  const target = items.find((item) => item.name === afterMatch.step)
  if (target === undefined) {
    const names = stepItemsOf(detect.items).flatMap((step) => (step.negated ? [] : [step.name]))
    const message = `no step is named \`${afterMatch.step}\``
    reading.report('RULE_REFERENCE', path, message, nearName(afterMatch.step, names))
  } else if (target.kind === 'group') {
    const message = `\`${target.name}\` is a group: name one of its steps`
    reading.report('RULE_PATTERN', path, message)
  } else if (target.negated) {
    const message = `\`${target.name}\` is an \`absent\` item, which takes no event`
    reading.report('RULE_PATTERN', path, message)
  } else if (isFirstEvent(detect, target, afterMatch)) {
    const message = `\`${target.name}\` begins every match: skipping to it drops nothing`
    reading.warn(path, message)
  }
}

/** Whether the target of the skip is the first event of every match. */
function isFirstEvent(detect: SequenceDetect, target: StepItem, afterMatch: AfterMatch): boolean {
  if (detect.items[0] !== target || target.quantifier.optional) return false
  return afterMatch.kind === 'skip_to_first' || target.quantifier.kind === 'single'
}

function isAbsent(item: SequenceItem): item is StepItem {
  return item.kind === 'step' && item.negated
}

function keywordOf(item: SequenceItem): string {
  return item.kind === 'group' ? 'group' : item.negated ? 'absent' : 'step'
}

function* allItems(items: readonly SequenceItem[]): Generator<SequenceItem> {
  for (const item of items) {
    yield item
    if (item.kind === 'group') yield* allItems(item.items)
  }
}
