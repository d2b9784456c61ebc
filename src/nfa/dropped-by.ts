import { TocsinError } from '../errors.ts'
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip-strategy.ts'
import type { MatchStore } from './match-store.ts'
import type { CompiledPattern } from './nfa-compiler.ts'
import { none } from './nfa-state.ts'

/** Which partial matches a match drops, by their start; `null`: none. */
export function droppedBy(
  match: number,
  compiled: CompiledPattern,
  store: MatchStore,
): ((start: number) => boolean) | null {
  const strategy = compiled.pattern.afterMatch
  switch (strategy.kind) {
    case 'no_skip':
      return null
    case 'skip_to_next': {
      const first = store.startOf(match)
      return (start) => start <= first
    }
    case 'skip_past_last': {
      const last = store.ordinalOf(match)
      return (start) => start <= last
    }
    case 'skip_to_first':
    case 'skip_to_last': {
      const target = targetOf(strategy, match, compiled, store)
      return target === undefined ? null : (start) => start < target
    }
  }
}

function targetOf(
  strategy: Extract<AfterMatchSkipStrategy, { step: number }>,
  last: number,
  compiled: CompiledPattern,
  store: MatchStore,
): number | undefined {
  let target: number | undefined
  for (let link = last; link !== none; link = store.previousOf(link)) {
    if (store.stepOf(link) !== strategy.step) continue
    target = store.ordinalOf(link)
    if (strategy.kind === 'skip_to_last') break
  }
  if (strategy.throwOnMiss) {
    const name = compiled.steps[strategy.step]?.name
    if (target === undefined) {
      throw new TocsinError('MATCH_SKIP_TARGET', `the match took no event in step '${name}'`)
    }
    if (target === store.startOf(last)) {
      throw new TocsinError('MATCH_SKIP_TARGET', `step '${name}' took the match's first event`)
    }
  }
  return target
}
