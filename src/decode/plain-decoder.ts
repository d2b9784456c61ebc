import { assert } from '../errors.ts'
import {
  type Column,
  type ColumnBatch,
  type RejectedRecord,
  type StringConstant,
  ValueKind,
} from '../stream/column-batch.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { ColumnStore } from './column-store.ts'
import type { DecodePlan, Decoder } from './decoder.ts'
import { type RecordToken, tokenizeRecord } from './record-tokenizer.ts'

/** The reference decoder: `JSON.parse` of every record, then the columns filled from the result. */
export function createPlainDecoder(plan: DecodePlan): Decoder {
  return new PlainDecoder(plan)
}

/** Why these bytes are not a JSON object within our limits; `null` if they are one. */
export function rejectionOf(bytes: Buffer, start: number, end: number): string | null {
  const parsed = parseRecord(bytes, start, end)
  return parsed.kind === 'rejected' ? parsed.reason : null
}

type ParsedRecord =
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'object'; readonly root: RecordToken; readonly value: unknown }

class PlainDecoder implements Decoder {
  readonly #columns: readonly PlainColumn[]

  constructor(plan: DecodePlan) {
    this.#columns = plan.fields.map((path) => new PlainColumn(path))
  }

  decode(batch: RecordBatch): ColumnBatch {
    for (const column of this.#columns) column.clear(batch.count)
    const valid = new Uint8Array(batch.count)
    const rejected: RejectedRecord[] = []
    for (let row = 0; row < batch.count; row++) {
      const start = batch.starts[row] as number
      const end = batch.ends[row] as number
      const parsed = parseRecord(batch.bytes, start, end)
      if (parsed.kind === 'rejected') {
        rejected.push({ row, reason: parsed.reason })
        continue
      }
      valid[row] = 1
      const whole = { ...parsed.root, start, end }
      for (const column of this.#columns) column.fill(row, whole, parsed.value)
    }
    return { batch, columns: this.#columns, valid, rejected }
  }
}

class PlainColumn extends ColumnStore implements Column {
  readonly #values: unknown[] = []

  value(row: number): unknown {
    return this.kinds[row] === ValueKind.missing ? undefined : this.#values[row]
  }

  isString(row: number, constant: StringConstant): boolean {
    return this.value(row) === constant.text
  }

  fill(row: number, root: RecordToken, record: unknown): void {
    let token = root
    let value = record
    for (const name of this.path) {
      const member = token.members?.get(name)
      if (member === undefined) return
      assert(Object.hasOwn(value as object, name), `JSON.parse did not see ${name}`)
      token = member
      value = (value as Record<string, unknown>)[name]
    }
    this.kinds[row] = token.kind
    this.starts[row] = token.start
    this.ends[row] = token.end
    this.#values[row] = value
    if (token.kind === ValueKind.number) this.numbers[row] = value as number
  }
}

function parseRecord(bytes: Buffer, start: number, end: number): ParsedRecord {
  let value: unknown
  let fault: string | null = null
  try {
    value = JSON.parse(bytes.toString('utf8', start, end))
  } catch (error) {
    fault = (error as Error).message
  }
  let root: RecordToken
  try {
    root = tokenizeRecord(bytes, start, end)
  } catch (error) {
    // A record can be too deep for us and still JSON; what both refuse, the tokenizer locates.
    return { kind: 'rejected', reason: (error as Error).message }
  }
  if (fault !== null) return { kind: 'rejected', reason: fault }
  if (root.kind === ValueKind.object) return { kind: 'object', root, value }
  return { kind: 'rejected', reason: 'the record is JSON, but not an object' }
}
