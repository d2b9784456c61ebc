import { TocsinError } from '../errors.ts'
import { type Pattern, type PatternItem, stepsOf } from '../pattern/pattern.ts'

/**
 * Refuses patterns that mean nothing, or that Flink CEP refuses for their meaning.
 * @throws {TocsinError} RULE_PATTERN, naming the step.
 */
export function checkPattern(pattern: Pattern): void {
  if (pattern.items.length === 0) throw malformed('a sequence needs at least one step')
  checkNames(pattern)
  checkItems(pattern.items, pattern)
  const { afterMatch } = pattern
  if (afterMatch.kind === 'skip_to_first' || afterMatch.kind === 'skip_to_last') {
    const target = stepsOf(pattern.items)[afterMatch.step]
    if (target === undefined || target.negated) {
      throw malformed('after_match names no step of the sequence')
    }
  }
  const last = pattern.items.at(-1)
  if (last !== undefined && isNotFollow(last) && last.kind === 'step') {
    if (last.withinMs === null && pattern.withinMs === null) {
      throw malformed(`absent step '${last.name}' stands last and needs a time limit: 'within'`)
    }
  }
}

function checkNames(pattern: Pattern): void {
  const seen = new Set<string>()
  for (const { name } of stepsOf(pattern.items)) {
    if (seen.has(name)) throw malformed(`step name '${name}' is used twice`)
    seen.add(name)
  }
}

function checkItems(items: readonly PatternItem[], pattern: Pattern): void {
  items.forEach((item, index) => {
    const before = items[index - 1]
    if (item.kind === 'group') {
      if (item.items.length === 0) throw malformed('a group needs at least one step')
      checkItems(item.items, pattern)
    }
    checkQuantifier(item)
    if (item.kind === 'step') {
      if (item.negated) checkNegated(item.name, item, before)
      const limits = item.quantifier.kind === 'single'
      if (
        limits &&
        item.withinMs !== null &&
        pattern.withinMs !== null &&
        item.withinMs > pattern.withinMs
      ) {
        throw malformed(`'within' of step '${item.name}' is longer than that of the sequence`)
      }
    }
  })
}

function checkQuantifier(item: PatternItem): void {
  const { quantifier } = item
  if (quantifier.kind === 'single') {
    if (item.until !== null) throw malformed(`'until' of ${label(item)} needs an open 'times'`)
    return
  }
  const { min, max } = quantifier
  if (
    !Number.isInteger(min) ||
    min < 1 ||
    (max !== null && (!Number.isInteger(max) || max < min))
  ) {
    throw malformed(`'times' of ${label(item)} must be whole numbers, min >= 1 and max >= min`)
  }
  if (item.until !== null && max !== null) {
    throw malformed(`'until' of ${label(item)} needs an open 'times', without a max`)
  }
  if (quantifier.greedy && item.kind === 'group') throw malformed('a group cannot be greedy')
  if (quantifier.greedy && quantifier.inner === 'any') {
    throw malformed(`${label(item)} cannot be greedy with 'inner: any'`)
  }
}

function checkNegated(name: string, item: PatternItem, before: PatternItem | undefined): void {
  if (item.quantifier.kind !== 'single') throw malformed(`absent step '${name}' cannot repeat`)
  if (item.quantifier.optional) throw malformed(`absent step '${name}' cannot be optional`)
  if (before === undefined) throw malformed(`absent step '${name}' cannot stand first`)
  if (before.quantifier.optional) {
    throw malformed(`absent step '${name}' cannot stand right after an optional one`)
  }
}

function isNotFollow(item: PatternItem): boolean {
  return item.kind === 'step' && item.negated && item.contiguity !== 'strict'
}

function label(item: PatternItem): string {
  return item.kind === 'step' ? `step '${item.name}'` : 'a group'
}

function malformed(message: string): TocsinError {
  return new TocsinError('RULE_PATTERN', message)
}
