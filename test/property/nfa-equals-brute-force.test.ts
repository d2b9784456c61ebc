import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TocsinError } from '../../src/errors.ts'
import type { EmitOrder } from '../../src/nfa/nfa.ts'
import { checkPattern } from '../../src/nfa/pattern-check.ts'
import type { Pattern, PatternItem, StepPattern } from '../../src/pattern/pattern.ts'
import { single } from '../../src/pattern/quantifier.ts'
import { findByBruteForce } from './brute-force-matcher.ts'
import { matchTexts, nfaDifference } from './nfa-difference.ts'
import { eventsArbitrary, eventsOf, mayBothFit, patternArbitrary } from './pattern-arbitrary.ts'
import { cornerOf } from './pattern-cover.ts'

// A few thousand with a fixed seed, so that a check repeats; as many as asked, from a new one.
const asked = process.env.TOCSIN_PROPERTY_RUNS
const parameters = asked === undefined ? { numRuns: 3000, seed: 20 } : { numRuns: Number(asked) }
const timeoutMs = asked === undefined ? 20_000 : 3_600_000

const coveredPatternArbitrary = patternArbitrary.filter(
  (pattern) => isWellFormed(pattern) && cornerOf(pattern, mayBothFit) === null,
)

describe('the automaton and the definitions', () => {
  it(
    'agree on matches and timeouts of random patterns over random streams, restarts or none',
    () => {
      let compared = 0
      let withMatches = 0
      fc.assert(
        fc.property(
          coveredPatternArbitrary,
          eventsArbitrary,
          fc.constantFrom<EmitOrder>('start', 'at_once'),
          // Where the state goes through its form, as at a restart; often behind the last event.
          fc.nat(20),
          (pattern, events, emitOrder, movedAt) => {
            const difference = nfaDifference(pattern, events, emitOrder, movedAt)
            if (difference === undefined) return
            compared++
            if (findByBruteForce(pattern, events).matches.length > 0) withMatches++
            expect(difference).toBeNull()
          },
        ),
        parameters,
      )
      // Else the property would hold because nothing ever matches.
      expect(withMatches / compared).toBeGreaterThan(0.3)
    },
    timeoutMs,
  )
})

describe('the brute-force matcher', () => {
  it.each([
    ['strict', [step('relaxed', 0), step('strict', 1)], 'a a b', ['0:a0#1 1:b0#2']],
    [
      'relaxed takes the first that fits',
      [step('relaxed', 0), step('relaxed', 1)],
      'a c b b',
      ['0:a0#0 1:b0#2'],
    ],
    [
      'any may skip what fits',
      [step('relaxed', 0), step('any', 1)],
      'a b b',
      ['0:a0#0 1:b0#1', '0:a0#0 1:b0#2'],
    ],
    [
      'an open loop gives a match for each length',
      [loop(0, null)],
      'a c a',
      ['0:a0#0', '0:a0#0 0:a0#2', '0:a0#2'],
    ],
    [
      'an absent event guards the stretch between its neighbours',
      [step('relaxed', 0), absent(2), step('relaxed', 1)],
      'a c a b',
      ['0:a0#2 2:b0#3'],
    ],
    [
      'until ends a loop',
      [loop(0, 2), step('relaxed', 1)],
      'a c a b',
      ['0:a0#0 1:b0#3', '0:a0#2 1:b0#3'],
    ],
  ])('%s', (_name, items, letters, expected) => {
    const { matches } = findByBruteForce(patternOf(items), eventsOf(letters))
    expect(matchTexts(matches)).toEqual(expected)
  })
})

function isWellFormed(pattern: Pattern): boolean {
  try {
    checkPattern(pattern)
    return true
  } catch (error) {
    if (error instanceof TocsinError && error.code === 'RULE_PATTERN') return false
    throw error
  }
}

function patternOf(items: readonly StepPattern[]): Pattern {
  const numbered = items.map((item, index): PatternItem => ({ ...item, index, name: `s${index}` }))
  return { items: numbered, withinMs: null, afterMatch: { kind: 'no_skip' } }
}

function step(contiguity: StepPattern['contiguity'], predicate: number): StepPattern {
  return {
    kind: 'step',
    index: 0,
    name: '',
    negated: false,
    contiguity,
    condition: { kind: 'unary', predicate },
    quantifier: single,
    until: null,
    withinMs: null,
  }
}

function absent(predicate: number): StepPattern {
  return { ...step('relaxed', predicate), negated: true }
}

function loop(predicate: number, until: number | null): StepPattern {
  return {
    ...step('relaxed', predicate),
    quantifier: {
      kind: 'times',
      min: 1,
      max: null,
      optional: false,
      greedy: false,
      inner: 'relaxed',
      withinMs: null,
    },
    until: until === null ? null : { kind: 'unary', predicate: until },
  }
}
