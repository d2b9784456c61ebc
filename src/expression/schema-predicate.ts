import { TocsinError } from '../errors.ts'
import type { Expression } from './expression.ts'

/** One mistake in a `match:` schema. */
export interface SchemaProblem {
  readonly message: string
  /** Keywords and names from the schema's root to the mistake. */
  readonly path: readonly string[]
  readonly suggestion?: string
}

/**
 * Turns a JSON Schema (draft 2020-12) of one event into a predicate over the current event.
 * `streamSchemas` are those of the event's streams, for unknown field names; `null`: unknown.
 */
export function parseSchemaPredicate(
  _schema: unknown,
  _streamSchemas: readonly unknown[],
): { readonly expression: Expression } | { readonly problems: readonly SchemaProblem[] } {
  throw new TocsinError('ASSERTION', 'not built yet')
}
