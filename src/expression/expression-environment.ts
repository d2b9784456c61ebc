/** What compiled expressions read from outside of events. */
export interface ExpressionEnvironment {
  /** Tables by name; a table that is not here has no rows. */
  readonly tables: ReadonlyMap<string, Table>
  /**
   * Whether code may be generated. Where it is not (or where `new Function` throws), closures
   * give the same answers. Default true.
   */
  readonly codegen?: boolean
}

/** A keyed table of JSON rows. */
export interface Table {
  /** The row of a key; `undefined` where there is none. */
  row(key: unknown): unknown
  has(key: unknown): boolean
}
