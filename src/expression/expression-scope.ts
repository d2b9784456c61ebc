import type { Expression } from './expression.ts'
import type { JsonObject } from './value.ts'

/** What an expression may speak of in its place. */
export interface ExpressionScope {
  /** Steps whose events it may read, groups' inner steps too; its own step among them. */
  readonly steps: readonly StepName[]
  /** Names of steps that mean nothing here, where events are judged alone. */
  readonly stepsOutOfReach: readonly string[]
  /** Names of steps that cannot have taken an event yet. */
  readonly laterSteps: readonly string[]
  /** What `event_time` stands for, where bare fields may stand. */
  readonly eventTime: Expression
  /**
   * Whether a bare name may be a field: of the current event in predicates, of the last event
   * taken in `title`, `fields` and `dedupe`.
   */
  readonly bareFields: boolean
  /** JSON Schemas of the streams that the current event may come from; `null`: unknown fields. */
  readonly schemas: readonly (JsonObject | null)[]
  /** Further names, given by value at evaluation: those under `by`, of `let`, `window`, `i`. */
  readonly names: readonly string[]
  /** What `key` stands for; `null` where there is no key. */
  readonly key: Expression | null
  /** `null`: any table name is taken. */
  readonly tables: readonly string[] | null
  /** What the value must be, as far as it is known at load. */
  readonly result: 'boolean' | 'any'
}

export interface StepName {
  readonly name: string
  /** The step's index in its pattern (`TakenEvent.step`). */
  readonly index: number
  /** Schemas of the streams that its events may come from. */
  readonly schemas: readonly (JsonObject | null)[]
}

/** One mistake in an expression. */
export interface ExpressionProblem {
  readonly message: string
  /** Offsets in the text, in UTF-16 units. */
  readonly start: number
  readonly end: number
  /** A near name that exists. */
  readonly suggestion?: string
}

export type ParsedExpression =
  | { readonly expression: Expression }
  | { readonly problems: readonly ExpressionProblem[] }

/** A scope with nothing in it but a current event of unknown fields: a base to spread. */
export const openScope: ExpressionScope = {
  steps: [],
  stepsOutOfReach: [],
  laterSteps: [],
  eventTime: { kind: 'event_time' },
  bareFields: true,
  schemas: [],
  names: [],
  key: null,
  tables: null,
  result: 'any',
}
