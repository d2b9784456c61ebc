import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MatchStore } from '../../src/nfa/match-store.ts'
import { NFA } from '../../src/nfa/nfa.ts'
import { compileNFA } from '../../src/nfa/nfa-compiler.ts'
import { NFAOutput } from '../../src/nfa/nfa-output.ts'
import { type NFAState, none } from '../../src/nfa/nfa-state.ts'
import type { Pattern } from '../../src/pattern/pattern.ts'
import { singleStep } from '../../src/pattern/single-step.ts'
import { type ArrivedEvent, eventOf, type TakenEvent } from '../../src/stream/event.ts'

const withinMs = 100

/** Predicate 0 is "a first event", predicate 1 "a last one". */
const pattern: Pattern = {
  items: [
    singleStep(0, 's0', { kind: 'unary', predicate: 0 }),
    singleStep(1, 's1', { kind: 'unary', predicate: 1 }),
  ],
  withinMs,
  afterMatch: { kind: 'no_skip' },
}

function eventAt(timestamp: number, predicates: number, fields: readonly unknown[] = []) {
  const split = { stream: 's', partition: 0 }
  return eventOf(timestamp, split, timestamp, predicates, [], fields, `{"ts":${timestamp}}`)
}

function nfaWith(limit: number): NFA {
  const options = { emitOrder: 'at_once', limit, maxMatches: 1000 } as const
  return new NFA(compileNFA(pattern), options, new MatchStore())
}

/** Offers events without looking at time limits before. */
function runAll(nfa: NFA, events: readonly ArrivedEvent[], output: NFAOutput): NFAState {
  return events.reduce((state, event) => nfa.process(state, event, output), none)
}

function timesOf(taken: TakenEvent): number[] {
  const times: number[] = []
  for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
    times.unshift(link.event.timestamp)
  }
  return times
}

describe('partial matches whose time has run out', () => {
  it.each([1, 2, 3])('take no place under a limit of %i', (limit) => {
    const nfa = nfaWith(limit)
    const output = new NFAOutput()
    const firsts = Array.from({ length: limit + 1 }, (_, index) => eventAt(index, 1))
    const state = runAll(nfa, firsts, output)
    expect(output.refused).toBe(1)
    nfa.process(state, eventAt(withinMs + limit, 1), output)
    expect(output.refused).toBe(1)
  })

  it('give the same answers whenever somebody looks for them, and leave nothing behind', () => {
    const moves = fc.array(
      fc.record({ after: fc.nat(60), predicates: fc.constantFrom(0, 1, 2, 3), looks: fc.nat(3) }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(moves, (steps) => {
        const found = [false, true].map((looks) => {
          const nfa = nfaWith(1000)
          const output = new NFAOutput()
          let state: NFAState = none
          let now = 0
          for (const { after, predicates, looks: times } of steps) {
            for (let look = 1; looks && look <= times; look++) {
              state = nfa.dropExpired(state, now + Math.floor((after * look) / (times + 1)))
            }
            now += after
            state = nfa.process(state, eventAt(now, predicates), output)
          }
          state = nfa.dropExpired(state, now + withinMs)
          return { matches: output.matches.map(({ taken }) => timesOf(taken)), state, nfa }
        })
        expect(found[1]?.matches).toEqual(found[0]?.matches)
        expect(found.map(({ state, nfa }) => [state, nfa.store.size])).toEqual([
          [none, 0],
          [none, 0],
        ])
      }),
      { numRuns: 300 },
    )
  })
})

describe('the fields of events that were taken', () => {
  it('are what they were, whatever they hold', () => {
    const store = new MatchStore()
    const odd = [undefined, null, true, false, 0, -0, 1e300, '', 'x'.repeat(33), { a: [1] }, [2]]
    // More texts than there is room for in a table, each twice.
    const texts = Array.from({ length: 10_000 }, (_, index) => `t${index % 5000}`)
    const values: unknown[] = [...odd, ...texts, ...odd]
    const links = values.map((value, index) => {
      store.offer(eventAt(index, 1, [value, values.at(-1 - index), index]))
      return store.take(none, 0, 1)
    })
    const read = links.map((link) => [0, 1, 2].map((slot) => store.fieldOf(link, slot)))
    expect(read).toEqual(values.map((value, index) => [value, values.at(-1 - index), index]))
    expect(Object.is(store.fieldOf(links[5] as number, 0), -0)).toBe(true)
    const copies = links.map((link) => store.addMatch(link, 2))
    expect(copies.map((copy) => store.fieldOf(copy, 1))).toEqual([...values].reverse())
    for (const link of [...links, ...copies]) store.freeMatch(link)
    expect(store.size).toBe(0)
  })
})
