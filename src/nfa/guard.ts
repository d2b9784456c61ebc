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
