import type { AfterMatchSkipStrategy } from '../../src/pattern/after-match-skip-strategy.ts'
import type { TakenEvent } from '../../src/stream/event.ts'
import type { Findings, FoundMatch, Moment } from './brute-force-matcher.ts'

/**
 * Matches that come out together: `all` of them in any order, or one of them, where the
 * definitions leave open which (those of one first event drop each other).
 */
export interface Emission {
  readonly kind: 'all' | 'one'
  readonly matches: readonly FoundMatch[]
}

/**
 * What comes out under a skip strategy, by replaying the findings in order of time: each match
 * drops what began too early. `null` where the definitions leave the answer open: matches of one
 * first event that drop different things.
 */
export function skipByDefinition(
  findings: Findings,
  strategy: AfterMatchSkipStrategy,
  emitOrder: 'at_once' | 'start',
): Emission[] | null {
  const emissions: Emission[] = []
  const waits = emitOrder === 'start' && strategy.kind !== 'no_skip'
  const dropped = new Set<number>()
  let waiting: FoundMatch[] = []
  for (const moment of momentsOf(findings)) {
    waiting.push(...findings.matches.filter((match) => compare(match.moment, moment) === 0))
    for (;;) {
      waiting = waiting.filter(({ start }) => !dropped.has(start))
      if (waiting.length === 0) break
      const start = Math.min(...waiting.map((match) => match.start))
      if (waits && findings.open.some((open) => isOpenBefore(open, start, moment, dropped))) break
      const matches = waiting.filter((match) => match.start === start)
      const bounds = new Set(matches.map(({ taken }) => boundOf(strategy, taken)))
      const dropsOwn = [...bounds].some((bound) => bound > start)
      if (dropsOwn && bounds.size > 1) return null
      waiting = waiting.filter((match) => match.start !== start)
      emissions.push({ kind: dropsOwn ? 'one' : 'all', matches })
      const bound = Math.max(...bounds)
      for (let began = 0; began < bound; began++) dropped.add(began)
    }
  }
  return emissions
}

/** Every partial match that began before this ordinal is dropped; 0: none. */
function boundOf(strategy: AfterMatchSkipStrategy, match: TakenEvent): number {
  switch (strategy.kind) {
    case 'no_skip':
      return 0
    case 'skip_to_next':
      return (ordinalsOf(match)[0] as number) + 1
    case 'skip_past_last':
      return match.ordinal + 1
    case 'skip_to_first':
      return ordinalsOf(match, strategy.step)[0] ?? 0
    case 'skip_to_last':
      return ordinalsOf(match, strategy.step).at(-1) ?? 0
  }
}

function ordinalsOf(match: TakenEvent, step?: number): number[] {
  const ordinals: number[] = []
  for (let link: TakenEvent | null = match; link !== null; link = link.previous) {
    if (step === undefined || link.step === step) ordinals.unshift(link.ordinal)
  }
  return ordinals
}

function isOpenBefore(
  open: Findings['open'][number],
  start: number,
  moment: Moment,
  dropped: ReadonlySet<number>,
): boolean {
  const began = { timestamp: open.taken.event.timestamp, ordinal: open.taken.ordinal }
  return (
    open.start < start &&
    !dropped.has(open.start) &&
    compare(began, moment) <= 0 &&
    (open.end === null || compare(open.end, moment) > 0)
  )
}

function momentsOf({ matches, open }: Findings): Moment[] {
  const moments = [
    ...matches.map(({ moment }) => moment),
    ...open.flatMap(({ end }) => (end === null ? [] : [end])),
  ].sort(compare)
  return moments.filter(
    (moment, index) => index === 0 || compare(moments[index - 1] as Moment, moment) !== 0,
  )
}

function compare(a: Moment, b: Moment): number {
  return a.timestamp - b.timestamp || a.ordinal - b.ordinal
}
