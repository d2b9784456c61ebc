import type { RecordBatch } from './record-batch.ts'

/** Names of nested object properties, outermost first; empty is the whole event. */
export type FieldPath = readonly string[]

/** What a decoded JSON value is; `escapedString` has escapes or non-ASCII bytes in its token. */
export const ValueKind = {
  missing: 0,
  null: 1,
  false: 2,
  true: 3,
  number: 4,
  string: 5,
  escapedString: 6,
  object: 7,
  array: 8,
} as const
export type ValueKind = (typeof ValueKind)[keyof typeof ValueKind]

/** A text that predicates compare with: the string and its bytes as they stand in plain JSON. */
export interface StringConstant {
  readonly text: string
  /** The bytes inside the quotes; `null` where the text needs escapes or is not ASCII. */
  readonly bytes: Uint8Array | null
}

export function stringConstant(text: string): StringConstant {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings exclude exactly these.
  const plain = /^[^\u0000-\u001f"\\\u007f-\uffff]*$/.test(text)
  return { text, bytes: plain ? Buffer.from(text, 'latin1') : null }
}

/** The values of one field for all records of a batch. */
export interface Column {
  readonly path: FieldPath
  /** ValueKind by row. */
  readonly kinds: Uint8Array
  /** The double by row, where the kind is `number`. */
  readonly numbers: Float64Array
  /** First byte of the value's token by row (inside the quotes for strings). */
  readonly starts: Int32Array
  /** One past the last byte of the token by row (inside the quotes for strings). */
  readonly ends: Int32Array
  /** The value as `JSON.parse` gives it; `undefined` where missing. */
  value(row: number): unknown
  /** Whether the value is exactly this string. */
  isString(row: number, constant: StringConstant): boolean
}

/** A record that could not be decoded, or that a later check refused. */
export interface RejectedRecord {
  readonly row: number
  readonly reason: string
}

/** A batch after decoding: the wanted fields as columns, the raw bytes beside them. */
export interface ColumnBatch {
  readonly batch: RecordBatch
  /** In the order of the plan's fields. */
  readonly columns: readonly Column[]
  /** 1 where the record is a valid JSON object, by row. */
  readonly valid: Uint8Array
  readonly rejected: readonly RejectedRecord[]
}
