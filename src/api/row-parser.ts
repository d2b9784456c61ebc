import type { RowValue } from '../operator/program-input.ts'
import type { Column, ColumnBatch } from '../stream/column-batch.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/** Makes values of a batch's rows, each once: its time may be asked for before the value is. */
export class RowParser<T> {
  readonly #column: number
  readonly #parse: (json: unknown) => T
  #batch: RecordBatch | null = null
  #values: (RowValue<T> | undefined)[] = []

  /** @param column index of the column with whole records */
  constructor(column: number, parse: (json: unknown) => T) {
    this.#column = column
    this.#parse = parse
  }

  read(columns: ColumnBatch, row: number): RowValue<T> {
    if (columns.batch !== this.#batch) {
      this.#batch = columns.batch
      this.#values = []
    }
    let result = this.#values[row]
    if (result === undefined) {
      result = this.#attempt(columns.columns[this.#column] as Column, row)
      this.#values[row] = result
    }
    return result
  }

  #attempt(column: Column, row: number): RowValue<T> {
    const json = column.value(row)
    try {
      return { kind: 'value', value: this.#parse(json) }
    } catch (error) {
      return { kind: 'rejected', reason: error instanceof Error ? error.message : String(error) }
    }
  }
}
