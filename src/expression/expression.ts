import type { FieldPath } from '../stream/column-batch.ts'
import type { FunctionName } from './function-library.ts'
import type { StringTest } from './string-test.ts'
import type { Duration, JsonObject, Timestamp } from './value.ts'

/**
 * A checked expression: what CEL text and JSON Schemas are turned into at load. Its value is a
 * JSON value, a Timestamp or a Duration; `undefined` stands for CEL's error.
 */
export type Expression =
  | { readonly kind: 'literal'; readonly value: LiteralValue }
  /** A field of the current event, or of the last event taken where there is no current one. */
  | { readonly kind: 'field'; readonly path: FieldPath }
  | { readonly kind: 'event_time' }
  | { readonly kind: 'stream' }
  /** A name that the place provides: names under `by` and `let`, `window`. */
  | { readonly kind: 'name'; readonly name: string }
  /** A list macro's variable, numbered by nesting depth. */
  | { readonly kind: 'variable'; readonly variable: number }
  | { readonly kind: 'select'; readonly operand: Expression; readonly property: string }
  | { readonly kind: 'index'; readonly operand: Expression; readonly index: Expression }
  /** A field of an event that a step took. */
  | { readonly kind: 'taken_field'; readonly event: TakenReference; readonly path: FieldPath }
  | { readonly kind: 'taken_time'; readonly event: TakenReference }
  /** The values of a field over events taken, oldest first; what is missing or null is left out. */
  | { readonly kind: 'column'; readonly events: TakenList; readonly path: FieldPath }
  | { readonly kind: 'taken_count'; readonly events: TakenList }
  | { readonly kind: 'row'; readonly table: string; readonly key: Expression }
  | { readonly kind: 'in_table'; readonly table: string; readonly key: Expression }
  | { readonly kind: 'has'; readonly operand: Expression }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'negate'; readonly operand: Expression }
  | { readonly kind: 'and'; readonly operands: readonly Expression[] }
  | { readonly kind: 'or'; readonly operands: readonly Expression[] }
  | {
      readonly kind: 'conditional'
      readonly condition: Expression
      readonly whenTrue: Expression
      readonly whenFalse: Expression
    }
  | {
      readonly kind: 'compare'
      readonly operator: CompareOperator
      readonly left: Expression
      readonly right: Expression
    }
  | {
      readonly kind: 'arithmetic'
      readonly operator: ArithmeticOperator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'in'; readonly element: Expression; readonly container: Expression }
  | { readonly kind: 'list'; readonly elements: readonly Expression[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | {
      readonly kind: 'call'
      readonly function: FunctionName
      readonly arguments: readonly Expression[]
    }
  /** `matches` with a constant pattern. */
  | { readonly kind: 'matches'; readonly operand: Expression; readonly test: StringTest }
  | {
      readonly kind: 'macro'
      readonly macro: MacroName
      readonly source: MacroSource
      readonly variable: number
      /** `map` with two arguments has none. */
      readonly condition: Expression | null
      /** Of `map` only. */
      readonly transform: Expression | null
    }
  /** A JSON Schema keyword: holds for values of types it does not speak of. */
  | {
      readonly kind: 'constraint'
      readonly operand: Expression
      readonly constraint: Constraint
      /** The outcome for a missing value: false where the schema requires it. */
      readonly whenMissing: boolean
    }

export type LiteralValue = null | boolean | number | string | Timestamp | Duration
export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>='
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%'
export type MacroName = 'all' | 'exists' | 'exists_one' | 'map' | 'filter'

/** One event of those that a step took. */
export type TakenReference =
  | { readonly kind: 'last'; readonly step: number }
  | {
      readonly kind: 'at'
      readonly events: TakenList
      /** From 0; -1 is the last. */
      readonly index: Expression
      readonly step: number
    }
  /** A macro's variable that runs over events. */
  | { readonly kind: 'variable'; readonly variable: number; readonly step: number }

/** Events that a step took, oldest first. */
export type TakenList =
  | { readonly kind: 'step'; readonly step: number }
  | {
      readonly kind: 'filter'
      readonly events: TakenList
      readonly variable: number
      readonly condition: Expression
      readonly step: number
    }

/** What a macro runs over: a list value, or the events that a step took. */
export type MacroSource =
  | { readonly kind: 'value'; readonly value: Expression }
  | { readonly kind: 'events'; readonly events: TakenList }

export type SchemaTypeName =
  | 'null'
  | 'boolean'
  | 'number'
  | 'integer'
  | 'string'
  | 'object'
  | 'array'

export type Constraint =
  | { readonly kind: 'present' }
  | { readonly kind: 'types'; readonly types: readonly SchemaTypeName[] }
  | { readonly kind: 'one_of'; readonly values: readonly unknown[] }
  | { readonly kind: 'minimum'; readonly limit: number; readonly exclusive: boolean }
  | { readonly kind: 'maximum'; readonly limit: number; readonly exclusive: boolean }
  | { readonly kind: 'multiple_of'; readonly divisor: number }
  | { readonly kind: 'min_length'; readonly length: number }
  | { readonly kind: 'max_length'; readonly length: number }
  | { readonly kind: 'pattern'; readonly test: StringTest }
  /** Holds unless the value is an object. */
  | { readonly kind: 'not_object' }
  /** Keywords that are not folded into the tree, checked by Ajv. */
  | {
      readonly kind: 'schema'
      readonly schema: JsonObject | boolean
      readonly validate: (value: unknown) => boolean
    }
