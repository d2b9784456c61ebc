import type { Condition } from '../pattern/pattern.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import { TakenView } from './taken-view.ts'

/** The condition on an edge of the automaton, as a tree over the pattern's own conditions. */
export type Guard =
  | { readonly kind: 'always' }
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'not'; readonly operand: Guard }
  | { readonly kind: 'and'; readonly left: Guard; readonly right: Guard }

export type GuardTest = (event: Event, taken: TakenEvent | null) => boolean

export const always: Guard = { kind: 'always' }

/** The guard of a condition; `null` stands for "every event". */
export function guardOf(condition: Condition | null): Guard {
  return condition === null ? always : { kind: 'condition', condition }
}

export function not(operand: Guard): Guard {
  return operand.kind === 'not' ? operand.operand : { kind: 'not', operand }
}

export function and(left: Guard, right: Guard): Guard {
  if (left.kind === 'always') return right
  if (right.kind === 'always') return left
  return { kind: 'and', left, right }
}

/** Whether its outcome depends on more than the unary predicates. */
export function isIterative(guard: Guard): boolean {
  switch (guard.kind) {
    case 'always':
      return false
    case 'condition':
      return guard.condition.kind !== 'unary'
    case 'not':
      return isIterative(guard.operand)
    case 'and':
      return isIterative(guard.left) || isIterative(guard.right)
  }
}

/**
 * Compiles guards to closures. One condition of a pattern stands on many edges, so its outcome for
 * the partial match that was looked at last is remembered: what reads the partial match costs.
 */
export class GuardCompiler {
  readonly #iterative = new Map<Condition, GuardTest>()

  compile(guard: Guard): GuardTest {
    switch (guard.kind) {
      case 'always':
        return () => true
      case 'condition':
        return this.#compileCondition(guard.condition)
      case 'not': {
        const operand = this.compile(guard.operand)
        return (event, taken) => !operand(event, taken)
      }
      case 'and': {
        const left = this.compile(guard.left)
        const right = this.compile(guard.right)
        return (event, taken) => left(event, taken) && right(event, taken)
      }
    }
  }

  #compileCondition(condition: Condition): GuardTest {
    if (condition.kind === 'unary') return predicateTest(condition.predicate)
    let test = this.#iterative.get(condition)
    if (test === undefined) {
      test = rememberLast(condition.test)
      this.#iterative.set(condition, test)
    }
    if (condition.predicate === null) return test
    const fits = predicateTest(condition.predicate)
    const rest = test
    return (event, taken) => fits(event, taken) && rest(event, taken)
  }

  /** Parts a guard into what the first word of the unary predicates decides, and the rest. */
  part(guard: Guard): PartedGuard {
    let requires = 0
    let forbids = 0
    const rest: GuardTest[] = []
    for (const literal of literalsOf(guard)) {
      const isNegated = literal.kind === 'not'
      const inner = isNegated ? literal.operand : literal
      const predicate = inner.kind === 'condition' ? inner.condition.predicate : null
      const isPlain = inner.kind === 'condition' && inner.condition.kind === 'unary'
      const bit = predicate !== null && predicate < 32 ? 1 << predicate : 0
      if (isPlain && bit !== 0) {
        if (isNegated) forbids |= bit
        else requires |= bit
      } else {
        if (!isNegated) requires |= bit
        rest.push(this.compile(literal))
      }
    }
    return { requires, forbids, rest: allOf(rest) }
  }
}

/** A guard as bits that an event's first 32 predicates must have and must not have, and a test. */
export interface PartedGuard {
  readonly requires: number
  readonly forbids: number
  /** `null`: the bits decide. */
  readonly rest: GuardTest | null
}

function literalsOf(guard: Guard): Guard[] {
  if (guard.kind === 'always') return []
  return guard.kind === 'and' ? [...literalsOf(guard.left), ...literalsOf(guard.right)] : [guard]
}

function allOf(tests: readonly GuardTest[]): GuardTest | null {
  const [first, second] = tests
  if (first === undefined) return null
  if (second === undefined) return first
  const rest = allOf(tests.slice(1)) as GuardTest
  return (event, taken) => first(event, taken) && rest(event, taken)
}

/** Whether an event passes a guard. */
export function passes(guard: PartedGuard, event: Event, taken: TakenEvent | null): boolean {
  const { requires } = guard
  const { predicates } = event
  if ((predicates & requires) !== requires || (predicates & guard.forbids) !== 0) return false
  return guard.rest === null || guard.rest(event, taken)
}

function predicateTest(predicate: number): GuardTest {
  const bit = 1 << (predicate & 31)
  if (predicate < 32) return (event) => (event.predicates & bit) !== 0
  const word = (predicate >> 5) - 1
  return (event) => ((event.morePredicates[word] ?? 0) & bit) !== 0
}

function rememberLast(test: GuardTest): GuardTest {
  let lastView: TakenView | null = null
  let lastTurn = 0
  let outcome = false
  return (event, taken) => {
    if (!(taken instanceof TakenView)) return test(event, taken)
    if (taken !== lastView || taken.turn !== lastTurn) {
      outcome = test(event, taken)
      lastView = taken
      lastTurn = taken.turn
    }
    return outcome
  }
}

/**
 * What a guard says of an event that fits no unary predicate: `undefined` where that depends on
 * the partial match. Tells which events an automaton need not see.
 */
export function outcomeWithoutPredicates(guard: Guard): boolean | undefined {
  switch (guard.kind) {
    case 'always':
      return true
    case 'condition':
      return guard.condition.predicate === null ? undefined : false
    case 'not': {
      const operand = outcomeWithoutPredicates(guard.operand)
      return operand === undefined ? undefined : !operand
    }
    case 'and': {
      const left = outcomeWithoutPredicates(guard.left)
      const right = outcomeWithoutPredicates(guard.right)
      if (left === false || right === false) return false
      return left === undefined || right === undefined ? undefined : true
    }
  }
}
