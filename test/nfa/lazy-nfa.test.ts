import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TocsinError } from '../../src/errors.ts'
import { LazyNFA } from '../../src/nfa/lazy-nfa.ts'
import { MatchStore } from '../../src/nfa/match-store.ts'
import { type EmitOrder, NFA } from '../../src/nfa/nfa.ts'
import { compileNFA } from '../../src/nfa/nfa-compiler.ts'
import { NFAOutput } from '../../src/nfa/nfa-output.ts'
import { type NFAState, none } from '../../src/nfa/nfa-state.ts'
import { checkPattern } from '../../src/nfa/pattern-check.ts'
import type { Condition, Pattern } from '../../src/pattern/pattern.ts'
import { singleStep } from '../../src/pattern/single-step.ts'
import { type ArrivedEvent, eventOf, type TakenEvent } from '../../src/stream/event.ts'
import { patternArbitrary, streamArbitrary } from '../property/pattern-arbitrary.ts'

const withinMs = 100
const many = 1_000_000

function nfaOf(pattern: Pattern, emitOrder: EmitOrder = 'at_once', limit = many): NFA {
  return new NFA(compileNFA(pattern), { emitOrder, limit, maxMatches: many }, new MatchStore())
}

/** An event of predicate 0, and a later one that fits the condition. */
function pairWith(last: Condition): Pattern {
  const items = [singleStep(0, 's0', { kind: 'unary', predicate: 0 }), singleStep(1, 's1', last)]
  return { items, withinMs, afterMatch: { kind: 'no_skip' } }
}

const pair = pairWith({ kind: 'unary', predicate: 1 })

function eventAt(timestamp: number, predicates: number): ArrivedEvent {
  const split = { stream: 's', partition: 0 }
  return eventOf(timestamp, split, timestamp, predicates, [], [timestamp], `{"ts":${timestamp}}`)
}

/** Which step took which event, and when it came. */
function textOf(taken: TakenEvent): string {
  const links: string[] = []
  for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
    const { offset, timestamp, raw } = link.event
    links.unshift(
      `${link.step}:${offset}@${timestamp} ${raw} ${link.event.field(0)} #${link.ordinal}`,
    )
  }
  return links.join(', ')
}

/** The matches with the place of the event that brought them out, as an operator in memory asks for them. */
function matchesOf(nfa: NFA, events: readonly ArrivedEvent[], looks: boolean): string[] {
  const output = new NFAOutput()
  const found: string[] = []
  let state: NFAState = none
  const advanceTo = (timestamp: number) => {
    if (!nfa.isWaiting(state)) {
      if (looks) state = nfa.dropExpired(state, timestamp)
      return
    }
    for (let at = nfa.nextDeadline(state); at <= timestamp; at = nfa.nextDeadline(state)) {
      if (at === Infinity) return
      state = nfa.advanceTime(state, at, output)
    }
  }
  for (const [index, event] of events.entries()) {
    advanceTo(event.timestamp)
    state = nfa.process(state, event, output)
    found.push(...output.matches.map(({ taken, at }) => `${index} at ${at}: ${textOf(taken)}`))
    output.clear()
  }
  nfa.release(state)
  expect(nfa.store.size).toBe(0)
  return found
}

function isWellFormed(pattern: Pattern): boolean {
  try {
    checkPattern(pattern)
    return true
  } catch (error) {
    if (error instanceof TocsinError) return false
    throw error
  }
}

describe('an automaton that leaves events for later', () => {
  it('finds what the one finds that leaves none', () => {
    const patterns = patternArbitrary
      .filter((pattern) => pattern.withinMs !== null && isWellFormed(pattern))
      .filter((pattern) => LazyNFA.of(nfaOf(pattern)) instanceof LazyNFA)
    const counts = { runs: 0, found: 0 }
    fc.assert(
      fc.property(
        patterns,
        streamArbitrary(80),
        fc.constantFrom<EmitOrder>('start', 'at_once'),
        fc.boolean(),
        (pattern, events, emitOrder, looks) => {
          const expected = matchesOf(nfaOf(pattern, emitOrder), events, looks)
          const lazy = LazyNFA.of(nfaOf(pattern, emitOrder))
          expect(matchesOf(lazy, events, looks)).toEqual(expected)
          counts.runs++
          if (expected.length > 0) counts.found++
        },
      ),
      { numRuns: 1500, seed: 21 },
    )
    // Else it would hold because nothing ever matches.
    expect(counts.found / counts.runs).toBeGreaterThan(0.3)
  }, 30_000)

  it('keeps no more than the events that may still count, as one chain', () => {
    const nfa = LazyNFA.of(nfaOf(pair))
    const output = new NFAOutput()
    let state: NFAState = none
    for (let time = 0; time < 10 * withinMs; time += 10) {
      state = nfa.process(state, eventAt(time, 1), output)
      // What is too old is forgotten when it is about half of all.
      expect(nfa.store.size).toBeLessThanOrEqual((2 * withinMs) / 10)
      expect(nfa.isWaiting(state)).toBe(false)
    }
    state = nfa.dropExpired(state, 11 * withinMs)
    expect([state, nfa.store.size]).toEqual([none, 0])
  })

  it('evaluates them where too many come together', () => {
    const nfa = LazyNFA.of(nfaOf(pair))
    const output = new NFAOutput()
    const firsts = Array.from({ length: 50 }, (_, time) => eventAt(time, 1))
    const state = firsts.reduce((known, event) => nfa.process(known, event, output), none)
    expect(nfa.partialMatchesOf(state)).toHaveLength(51)
    nfa.process(state, eventAt(50, 2), output)
    expect(output.matches).toHaveLength(50)
  })

  it('shows what is open once all is evaluated', () => {
    const nfa = LazyNFA.of(nfaOf(pair))
    const output = new NFAOutput()
    const state = [0, 1, 2].reduce(
      (known, time) => nfa.process(known, eventAt(time, 1), output),
      none,
    )
    const evaluated = nfa.evaluated(state)
    expect(nfa.partialMatchesOf(evaluated).map(({ taken }) => taken?.event.timestamp)).toEqual([
      0,
      1,
      2,
      undefined,
    ])
    nfa.release(evaluated)
    expect(nfa.store.size).toBe(0)
  })

  it('leaves nothing that no event opens, nor of a rule that opens nothing more', () => {
    const nfa = LazyNFA.of(nfaOf(pair))
    const output = new NFAOutput()
    expect(nfa.process(none, eventAt(0, 4), output)).toBe(none)
    output.opensMatches = false
    expect(nfa.process(none, eventAt(1, 1), output)).toBe(none)
    output.opensMatches = true
    const state = nfa.process(none, eventAt(2, 1), output)
    output.opensMatches = false
    const next = nfa.process(state, eventAt(3, 1), output)
    expect(nfa.partialMatchesOf(next).map(({ taken }) => taken?.event.timestamp)).toEqual([
      2,
      undefined,
    ])
  })

  it('has the ordinals of the other patterns of its operator', () => {
    const store = new MatchStore()
    const options = { emitOrder: 'at_once', limit: many, maxMatches: many } as const
    const eager = new NFA(compileNFA(pair), options, store)
    const nfas = [eager, LazyNFA.of(new NFA(compileNFA(pair), options, store))]
    const outputs = nfas.map(() => new NFAOutput())
    let states: NFAState[] = [none, none]
    for (const event of [eventAt(0, 1), eventAt(1, 1), eventAt(2, 3), eventAt(3, 3)]) {
      states = nfas.map((nfa, index) =>
        nfa.process(states[index] as NFAState, event, outputs[index] as NFAOutput),
      )
    }
    const [expected, found] = outputs.map(({ matches }) =>
      matches.map(({ taken }) => textOf(taken)),
    )
    expect(expected).toHaveLength(3)
    expect(found).toEqual(expected)
  })

  it.each<[string, Pattern, number]>([
    [
      'any event may complete a match',
      pairWith({ kind: 'iterative', predicate: null, test: () => true }),
      many,
    ],
    ['there is no time limit', { ...pair, withinMs: null }, many],
    ['few first events may be open', pair, 32],
  ])('is not to be had where %s', (_, pattern, limit) => {
    const nfa = nfaOf(pattern, 'at_once', limit)
    expect(LazyNFA.of(nfa)).toBe(nfa)
  })
})
