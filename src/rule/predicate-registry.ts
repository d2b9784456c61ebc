import type { Expression } from '../expression/expression.ts'
import { conjunction, expressionKey } from '../expression/expression-analysis.ts'

/** The unary predicates of the rules that share an operator; equal ones are one. */
export class PredicateRegistry {
  readonly expressions: Expression[] = []
  /** Rules that use predicate i. */
  readonly users: Set<string>[] = []
  readonly #indexes = new Map<string, number>()

  /** The index of the conjunction of the parts; `null` for none, which is always true. */
  indexOf(parts: readonly (Expression | null)[], rule: string): number | null {
    const present = parts.filter((part) => part !== null)
    if (present.length === 0) return null
    const expression = conjunction(present)
    const key = expressionKey(expression)
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = this.expressions.push(expression) - 1
      this.#indexes.set(key, index)
      this.users.push(new Set())
    }
    this.users[index]?.add(rule)
    return index
  }
}
