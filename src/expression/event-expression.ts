import { TocsinError } from '../errors.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import type { Expression } from './expression.ts'
import type { ExpressionEnvironment } from './expression-environment.ts'

/** An expression compiled over events: for iterative conditions and for what an alert carries. */
export interface CompiledExpression {
  /**
   * Its value: a JSON value, a Timestamp or a Duration; `undefined` is CEL's error. Without a
   * current event, bare fields are those of the last event taken. `names` holds the values of the
   * scope's names, and `key`; by default none.
   */
  evaluate(
    event: Event | null,
    taken: TakenEvent | null,
    names?: ReadonlyMap<string, unknown> | null,
  ): unknown
}

/** Compiles an expression; `fieldSlotOf` gives the slot of a path in `Event.fields`. */
export function compileEventExpression(
  _expression: Expression,
  _fieldSlotOf: (path: FieldPath) => number,
  _environment: ExpressionEnvironment,
): CompiledExpression {
  throw new TocsinError('ASSERTION', 'not built yet')
}
