import { assert } from '../errors.ts'
import { type ColumnBatch, type RejectedRecord, ValueKind } from '../stream/column-batch.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { DecodePlan, Decoder } from './decoder.ts'
import { type FieldNode, fieldTree } from './field-node.ts'
import {
  endOfPlain,
  skipArray,
  skipEscapedString,
  skipFalse,
  skipNull,
  skipObject,
  skipSpace,
  skipTrue,
  skipValue,
} from './json-skip.ts'
import { rejectionOf } from './plain-decoder.ts'
import { followerAt, type LayoutMember, RecordLayout } from './record-layout.ts'
import { recordDepthMax } from './record-tokenizer.ts'
import type { ScannedColumn } from './scanned-column.ts'

/**
 * The fast decoder: one pass over the bytes that checks the whole record as strictly as
 * `JSON.parse`, and notes only where the wanted fields are. It gives the plain decoder's answers.
 *
 * It is driven by tables, not generated: with the layout learnt, comparing names is no longer what
 * costs, and it runs where `eval` is forbidden.
 */
export function createScannerDecoder(plan: DecodePlan): Decoder {
  return new JsonScanner(plan)
}

class JsonScanner implements Decoder {
  readonly #root: FieldNode
  readonly #columns: readonly ScannedColumn[]
  readonly #layout = new RecordLayout()
  #valid = new Uint8Array(0)
  /** The wanted field of the name that was read last. */
  #field: FieldNode | null = null

  constructor(plan: DecodePlan) {
    const tree = fieldTree(plan.fields)
    this.#root = tree.root
    this.#columns = tree.columns
  }

  decode(batch: RecordBatch): ColumnBatch {
    const { bytes, count } = batch
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (const column of this.#columns) {
      column.clear(count)
      column.bytes = bytes
      column.view = view
    }
    if (this.#valid.length < count) this.#valid = new Uint8Array(2 * count)
    const rejected = this.#scanRecords(batch.starts, batch.ends, count, bytes, view)
    return { batch, columns: this.#columns, valid: this.#valid, rejected }
  }

  #scanRecords(
    starts: Int32Array,
    ends: Int32Array,
    count: number,
    bytes: Buffer,
    view: DataView,
  ): RejectedRecord[] {
    const rejected: RejectedRecord[] = []
    for (let row = 0; row < count; row++) {
      const start = starts[row] as number
      const end = ends[row] as number
      const isValid = this.#scanRecord(bytes, view, start, end, row)
      this.#valid[row] = isValid ? 1 : 0
      if (!isValid) rejected.push({ row, reason: this.#reject(bytes, start, end, row) })
    }
    return rejected
  }

  #reject(bytes: Buffer, start: number, end: number, row: number): string {
    for (const column of this.#columns) column.kinds[row] = ValueKind.missing
    const reason = rejectionOf(bytes, start, end)
    assert(reason !== null, 'the scanner refused a record that JSON.parse takes')
    return reason
  }

  /** Follows the learnt layout as far as it goes, then reads name by name. */
  #scanRecord(bytes: Buffer, view: DataView, start: number, end: number, row: number): boolean {
    let p = bytes[start] === 0x7b ? start : skipSpace(bytes, start)
    if (p >= end || bytes[p] !== 0x7b) return false
    p++
    let member = this.#layout.start
    for (;;) {
      const follower = followerAt(member, view, p, bytes.length)
      if (follower === null) break
      member = follower
      p += follower.length
      if (bytes[p] === 0x22 && follower.isPlain) {
        const close = endOfPlain(bytes, view, p + 1)
        if (bytes[close] === 0x22) {
          const { column } = follower
          if (column !== null) column.setToken(row, ValueKind.string, p + 1, close)
          p = close + 1
          continue
        }
      }
      p = this.#scanField(follower.field, bytes, view, p, row, 1)
      // The last check would find this too, but only after reading on through other records.
      if (p < 0 || p >= end) return false
    }
    p = bytes[p] === 0x7d ? p + 1 : this.#learnRest(member, bytes, view, p, end, row)
    if (p < 0 || p > end) return false
    if (this.#root.column !== null) {
      this.#root.column.setToken(row, ValueKind.object, start, end)
    }
    return p === end || endOfSpace(bytes, p, end) === end
  }

  /** Reads the members that the layout does not know, and teaches it. */
  #learnRest(
    known: LayoutMember,
    bytes: Buffer,
    view: DataView,
    at: number,
    end: number,
    row: number,
  ): number {
    let member: LayoutMember | null = known
    let p = at
    for (let first = known === this.#layout.start; ; first = false) {
      const from = p
      p = skipSpace(bytes, p)
      if (bytes[p] === 0x7d) return p + 1
      p = this.#scanName(this.#root, bytes, view, p, first)
      if (p < 0 || p >= end) return -1
      const field = this.#field
      if (member !== null) member = this.#layout.learn(member, bytes, from, p, field)
      p = this.#scanField(field, bytes, view, p, row, 1)
      if (p < 0 || p >= end) return -1
    }
  }

  /** Reads an object within which fields are wanted. @param at the byte after its brace. */
  #scanObject(
    node: FieldNode,
    bytes: Buffer,
    view: DataView,
    at: number,
    row: number,
    depth: number,
  ): number {
    if (depth > recordDepthMax) return -1
    let p = at
    for (let first = true; ; first = false) {
      p = skipSpace(bytes, p)
      if (bytes[p] === 0x7d) return p + 1
      p = this.#scanName(node, bytes, view, p, first)
      if (p < 0) return -1
      p = this.#scanField(this.#field, bytes, view, p, row, depth)
      if (p < 0) return -1
    }
  }

  /** Reads the comma, the name (into `#field`) and the colon; gives where the value is. */
  #scanName(node: FieldNode, bytes: Buffer, view: DataView, at: number, isFirst: boolean): number {
    let p = at
    if (!isFirst) {
      if (bytes[p] !== 0x2c) return -1
      p = skipSpace(bytes, p + 1)
    }
    if (bytes[p] !== 0x22) return -1
    const start = p + 1
    p = endOfPlain(bytes, view, start)
    if (bytes[p] === 0x22) {
      this.#field = node.childAt(bytes, start, p)
      p++
    } else {
      p = skipEscapedString(bytes, view, p)
      if (p < 0) return -1
      this.#field = node.childNamed(JSON.parse(bytes.toString('utf8', start - 1, p)))
    }
    p = skipSpace(bytes, p)
    return bytes[p] === 0x3a ? skipSpace(bytes, p + 1) : -1
  }

  /** Reads a value, for a field or for nothing; gives the byte after it, or -1. */
  #scanField(
    field: FieldNode | null,
    bytes: Buffer,
    view: DataView,
    at: number,
    row: number,
    depth: number,
  ): number {
    // A layout can be right up to the colon, and space come where it had none.
    const start = (bytes[at] as number) <= 0x20 ? skipSpace(bytes, at) : at
    if (field === null) return skipValue(bytes, view, start, depth)
    const below = field.below
    for (let i = 0; i < below.length; i++) (below[i] as ScannedColumn).kinds[row] = 0
    const column = field.column
    if (column === null) {
      return bytes[start] === 0x7b
        ? this.#scanObject(field, bytes, view, start + 1, row, depth + 1)
        : skipValue(bytes, view, start, depth)
    }
    const byte = bytes[start] as number
    if (byte === 0x22) return scanString(column, bytes, view, start + 1, row)
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return column.setNumber(row, start)
    return this.#scanOther(field, column, bytes, view, start, row, depth)
  }

  #scanOther(
    field: FieldNode,
    column: ScannedColumn,
    bytes: Buffer,
    view: DataView,
    start: number,
    row: number,
    depth: number,
  ): number {
    switch (bytes[start]) {
      case 0x7b: {
        const isParent = field.children.length > 0
        const end = isParent
          ? this.#scanObject(field, bytes, view, start + 1, row, depth + 1)
          : skipObject(bytes, view, start + 1, depth + 1)
        return setIfValid(column, row, ValueKind.object, start, end)
      }
      case 0x5b: {
        const end = skipArray(bytes, view, start + 1, depth + 1)
        return setIfValid(column, row, ValueKind.array, start, end)
      }
      case 0x74:
        return setIfValid(column, row, ValueKind.true, start, skipTrue(bytes, start))
      case 0x66:
        return setIfValid(column, row, ValueKind.false, start, skipFalse(bytes, start))
      case 0x6e:
        return setIfValid(column, row, ValueKind.null, start, skipNull(bytes, start))
      default:
        return -1
    }
  }
}

function scanString(
  column: ScannedColumn,
  bytes: Buffer,
  view: DataView,
  start: number,
  row: number,
): number {
  const plainEnd = endOfPlain(bytes, view, start)
  if (bytes[plainEnd] === 0x22) {
    column.setToken(row, ValueKind.string, start, plainEnd)
    return plainEnd + 1
  }
  const end = skipEscapedString(bytes, view, plainEnd)
  if (end >= 0) column.setToken(row, ValueKind.escapedString, start, end - 1)
  return end
}

function setIfValid(
  column: ScannedColumn,
  row: number,
  kind: ValueKind,
  start: number,
  end: number,
): number {
  if (end >= 0) column.setToken(row, kind, start, end)
  return end
}

/** Like `skipSpace`, but looks at nothing from `end` on, where space may belong to others. */
function endOfSpace(bytes: Buffer, at: number, end: number): number {
  return Math.min(skipSpace(bytes, at), end)
}
