import { describe, expect, it } from 'vitest'
import { MatchStore } from '../../src/nfa/match-store.ts'
import { NFA } from '../../src/nfa/nfa.ts'
import { compileNFA } from '../../src/nfa/nfa-compiler.ts'
import { CepOperator } from '../../src/operator/cep-operator.ts'
import type { CepResult } from '../../src/operator/cep-output.ts'
import type { CepPattern } from '../../src/operator/running-pattern.ts'
import { singleStep } from '../../src/pattern/single-step.ts'
import { PackedKeyedStateBackend } from '../../src/state/packed-keyed-state-backend.ts'
import { eventOf } from '../../src/stream/event.ts'
import { hashKey } from '../../src/stream/key-group.ts'
import { EventRun } from '../../src/time/event-time-sorter.ts'

/** An operator in memory, whose patterns open with one predicate and end with another. */
class Harness {
  readonly store = new MatchStore()
  readonly backend = new PackedKeyedStateBackend()
  readonly results: CepResult[] = []
  readonly operator: CepOperator
  #offset = 0

  constructor(...patterns: readonly (readonly [first: number, last: number, withinMs: number])[]) {
    this.operator = new CepOperator(
      patterns.map(([first, last, withinMs]) => this.pattern(first, last, withinMs)),
      this.backend,
      {
        results: (results) => this.results.push(...results),
        refused: () => undefined,
        droppedMatches: () => undefined,
      },
    )
    this.operator.sorter.addSplit()
  }

  pattern(first: number, last: number, withinMs: number): CepPattern {
    const compiled = compileNFA({
      items: [
        singleStep(0, 's0', { kind: 'unary', predicate: first }),
        singleStep(1, 's1', { kind: 'unary', predicate: last }),
      ],
      withinMs,
      afterMatch: { kind: 'no_skip' },
    })
    const options = { emitOrder: 'at_once', limit: 1000, maxMatches: 1000 } as const
    const nfa = new NFA(compiled, options, this.store)
    return { nfa, filter: null, cancelledBy: null, predicates: [first, last], timeouts: false }
  }

  /** An event that fits one predicate, and the watermark at its time. */
  offer(timestamp: number, key: string, predicate: number): void {
    const split = { stream: 's', partition: 0 }
    const text = `{"ts":${timestamp}}`
    const event = eventOf(timestamp, split, this.#offset++, 1 << predicate, [], [], text)
    const run = new EventRun()
    run.arena = Buffer.from(key, 'latin1')
    run.add(event, 0, key.length, hashKey(run.arena) | 0)
    this.operator.addRun(0, run)
    this.operator.advanceWatermark(timestamp)
  }

  get found(): (string | number)[][] {
    return this.results.map(({ kind, pattern, key, eventTime }) => [kind, pattern, key, eventTime])
  }
}

describe('what runs out where nobody sees it', () => {
  it('is let go of within one time limit, though its key has no other event', () => {
    const harness = new Harness([0, 1, 100])
    for (let key = 0; key < 50; key++) harness.offer(key, `k${key}`, 0)
    for (let time = 50; time <= 130; time++) harness.offer(time, 'other', 1)
    expect([harness.backend.size, harness.store.size]).toEqual([51, 50])
    for (let time = 131; time <= 250; time++) harness.offer(time, 'other', 1)
    expect([harness.backend.size, harness.store.size]).toEqual([1, 0])
    expect(harness.found).toEqual([])
  })

  it('is let go of where the key goes on to have events that other patterns take', () => {
    const harness = new Harness([0, 1, 100], [2, 3, 1_000_000])
    harness.offer(0, 'k', 0)
    for (let time = 1; time <= 300; time++) harness.offer(time, 'k', 2)
    expect(harness.store.size).toBe(300)
  })

  it('is let go of at once where time goes far', () => {
    const harness = new Harness([0, 1, 100])
    for (let key = 0; key < 500; key++) harness.offer(key % 90, `k${key}`, 0)
    harness.operator.advanceWatermark(1_000_000)
    expect([harness.backend.size, harness.store.size]).toEqual([0, 0])
  })

  it('is not open at the end of time', () => {
    const limited = new Harness([0, 1, 100])
    const unlimited = new Harness([0, 1, 100], [2, 3, 0])
    for (const harness of [limited, unlimited]) {
      for (const [key, predicate] of [0, 0, 2].entries()) harness.offer(key, `k${key}`, predicate)
    }
    expect([limited.operator.openKeys, unlimited.operator.openKeys]).toEqual([2, 3])
    for (const { operator } of [limited, unlimited]) operator.advanceWatermark(Infinity)
    expect([limited.operator.openKeys, unlimited.operator.openKeys]).toEqual([0, 1])
  })

  it('completes nothing after its time, though it is still there', () => {
    const harness = new Harness([0, 1, 100])
    harness.offer(0, 'k', 0)
    harness.offer(10, 'j', 0)
    harness.offer(100, 'k', 1)
    harness.offer(109, 'j', 1)
    expect(harness.found).toEqual([['match', 0, 'j', 109]])
  })

  it('is told from the time on at which somebody wants to know', () => {
    const harness = new Harness([0, 1, 100])
    harness.offer(0, 'k', 0)
    harness.offer(50, 'j', 0)
    harness.operator.wantTimeouts(0, true)
    harness.operator.advanceWatermark(120)
    expect(harness.found).toEqual([['timeout', 0, 'k', 100]])
    harness.operator.advanceWatermark(150)
    expect(harness.found.slice(1)).toEqual([['timeout', 0, 'j', 150]])
  })
})

describe('a pattern in the place of one that is over', () => {
  it('finds nothing of that one', () => {
    const harness = new Harness([0, 1, 100], [2, 3, 100])
    harness.offer(0, 'k', 2)
    harness.operator.setPattern(1, harness.pattern(4, 5, 100), 0)
    expect(harness.store.size).toBe(0)
    harness.offer(1, 'k', 5)
    harness.offer(2, 'k', 4)
    harness.offer(3, 'k', 5)
    expect(harness.found).toEqual([['match', 1, 'k', 3]])
  })
})
