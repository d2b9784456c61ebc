import type { Expression } from '../expression/expression.ts'
import { conjunction, expressionKey } from '../expression/expression-analysis.ts'
import type { PlaceErrors } from './expression-errors.ts'

/** The unary predicates of the rules that share an operator; equal ones are one. */
export class PredicateRegistry {
  readonly expressions: Expression[] = []
  /** Places whose condition is predicate i, or a part of it. */
  readonly users: PlaceErrors[][] = []
  readonly #indexes = new Map<string, number>()

  /** By predicate: the same text for equal ones. */
  get keys(): string[] {
    return [...this.#indexes.keys()]
  }

  /**
   * The index of the conjunction of the parts; `null` for none, which is always true.
   * @param user takes its errors; `null`: it is never evaluated
   */
  indexOf(parts: readonly (Expression | null)[], user: PlaceErrors | null): number | null {
    const present = parts.filter((part) => part !== null)
    if (present.length === 0) return null
    const expression = conjunction(present)
    const key = expressionKey(expression)
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = this.expressions.push(expression) - 1
      this.#indexes.set(key, index)
      this.users.push([])
    }
    if (user !== null) this.users[index]?.push(user)
    return index
  }
}
