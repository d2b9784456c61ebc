import { expect } from 'vitest'
import { parseExpression } from '../../src/expression/cel-parser.ts'
import { ColumnPredicates } from '../../src/expression/column-predicates.ts'
import { compileEventExpression } from '../../src/expression/event-expression.ts'
import type { Expression } from '../../src/expression/expression.ts'
import { readsOf } from '../../src/expression/expression-analysis.ts'
import type { Table } from '../../src/expression/expression-environment.ts'
import {
  type ExpressionProblem,
  type ExpressionScope,
  openScope,
} from '../../src/expression/expression-scope.ts'
import { same, valueAt } from '../../src/expression/value.ts'
import {
  type Column,
  type ColumnBatch,
  type FieldPath,
  ValueKind,
} from '../../src/stream/column-batch.ts'
import { type Event, type TakenEvent, eventOf as textEventOf } from '../../src/stream/event.ts'

/** What an expression is evaluated over: JSON events, the current one and those taken by step. */
export interface Situation {
  readonly event?: unknown
  readonly at?: number
  readonly stream?: string
  /** In order of taking. */
  readonly taken?: readonly {
    readonly step: string
    readonly event: unknown
    readonly at?: number
  }[]
  readonly steps?: readonly string[]
  readonly names?: Readonly<Record<string, unknown>>
  readonly tables?: Readonly<Record<string, Table>>
}

export function scopeOf(situation: Situation): ExpressionScope {
  const steps = situation.steps ?? [...new Set(situation.taken?.map(({ step }) => step))]
  return {
    ...openScope,
    steps: steps.map((name, index) => ({ name, index, schemas: [] })),
    names: Object.keys(situation.names ?? {}),
    key: { kind: 'name', name: 'key' },
  }
}

export function parse(text: string, scope: ExpressionScope = openScope): Expression {
  const parsed = parseExpression(text, scope)
  if ('problems' in parsed) throw new Error(`${text}: ${JSON.stringify(parsed.problems)}`)
  return parsed.expression
}

export function problemsOf(
  text: string,
  scope: ExpressionScope = openScope,
): readonly ExpressionProblem[] {
  const parsed = parseExpression(text, scope)
  return 'problems' in parsed ? parsed.problems : []
}

/** The value of an expression: by generated code, by closures, and over columns where unary. */
export function answer(text: string, situation: Situation = {}): unknown {
  return evaluate(parse(text, scopeOf(situation)), situation)
}

export function evaluate(expression: Expression, situation: Situation): unknown {
  const paths = pathsOf(expression)
  const tables = new Map(Object.entries(situation.tables ?? {}))
  const scope = scopeOf(situation)
  let taken: TakenEvent | null = null
  for (const { step, event, at } of situation.taken ?? []) {
    const ordinal: number = taken === null ? 0 : taken.ordinal + 1
    const index = scope.steps.find(({ name }) => name === step)?.index ?? -1
    taken = { event: eventOf(event, paths, at), step: index, previous: taken, ordinal }
  }
  const { event: json, at, stream } = situation
  const event = json === undefined ? null : eventOf(json, paths, at, stream)
  const names = new Map(Object.entries(situation.names ?? {}))
  const slotOf = (path: FieldPath) => paths.findIndex((other) => isDeepSame(other, path))
  const values = [true, false].map((codegen) =>
    compileEventExpression(expression, slotOf, { tables, codegen }).evaluate(event, taken, names),
  )
  expect(values[0]).toStrictEqual(values[1])
  if (readsOf(expression).unary && json !== undefined) {
    for (const codegen of [true, false]) {
      const columns = rowOutcomes([expression], [json], { tables, codegen }, at, stream)
      const failed = typeof values[0] === 'boolean' ? 0 : 1
      expect(columns).toStrictEqual({ bits: [[values[0] === true]], errors: [failed] })
    }
  }
  return values[0]
}

/** Which predicates hold for which rows (by row, then predicate), and their errors. */
export function rowOutcomes(
  predicates: readonly Expression[],
  rows: readonly unknown[],
  environment: { tables: ReadonlyMap<string, Table>; codegen: boolean },
  at = 0,
  stream = 's',
): { bits: boolean[][]; errors: number[] } {
  const paths = predicates.flatMap(pathsOf)
  const columnIndexOf = (path: FieldPath) => paths.findIndex((other) => isDeepSame(other, path))
  const compiled = new ColumnPredicates(predicates.slice(0, 1), columnIndexOf, environment)
  compiled.add(predicates.slice(1))
  const words = new Int32Array(rows.length * compiled.wordsPerRow)
  const timestamps = new Float64Array(rows.length).fill(at)
  const selected = new Uint8Array(rows.length).fill(1)
  compiled.evaluate(batchOf(rows, paths, stream), timestamps, selected, words)
  const bits = rows.map((_, row) =>
    predicates.map((_, i) => {
      const word = words[row * compiled.wordsPerRow + (i >> 5)] ?? 0
      return ((word >>> (i & 31)) & 1) === 1
    }),
  )
  const errors = predicates.map(() => 0)
  compiled.forEachError((predicate, count) => {
    errors[predicate] = count
  })
  return { bits, errors }
}

export function batchOf(
  rows: readonly unknown[],
  paths: readonly FieldPath[],
  stream = 's',
): ColumnBatch {
  const nothing = new Int32Array(rows.length)
  return {
    batch: {
      split: { stream, partition: 0 },
      bytes: Buffer.alloc(0),
      count: rows.length,
      starts: nothing,
      ends: nothing,
      offsets: new Float64Array(rows.length),
    },
    columns: paths.map((path) => columnOf(rows, path)),
    valid: new Uint8Array(rows.length).fill(1),
    rejected: [],
  }
}

function columnOf(rows: readonly unknown[], path: FieldPath): Column {
  const values = rows.map((row) => valueAt(row, path))
  return {
    path,
    kinds: Uint8Array.from(values, kindOf),
    numbers: Float64Array.from(values, (value) => (typeof value === 'number' ? value : 0)),
    starts: new Int32Array(rows.length),
    ends: new Int32Array(rows.length),
    value: (row) => values[row],
    isString: (row, constant) => values[row] === constant.text,
  }
}

function kindOf(value: unknown): ValueKind {
  if (value === undefined) return ValueKind.missing
  if (value === null) return ValueKind.null
  if (value === false) return ValueKind.false
  if (value === true) return ValueKind.true
  if (typeof value === 'number') return ValueKind.number
  if (typeof value === 'string') {
    return /^[ -~]*$/.test(value) && !/["\\]/.test(value)
      ? ValueKind.string
      : ValueKind.escapedString
  }
  return Array.isArray(value) ? ValueKind.array : ValueKind.object
}

function pathsOf(expression: Expression): FieldPath[] {
  const reads = readsOf(expression)
  return [...reads.fields, ...reads.taken.map(({ path }) => path)]
}

function eventOf(json: unknown, paths: readonly FieldPath[], at = 0, stream = 's'): Event {
  const fields = paths.map((path) => valueAt(json, path))
  return textEventOf(at, { stream, partition: 0 }, 0, 0, [], fields, JSON.stringify(json))
}

function isDeepSame(left: FieldPath, right: FieldPath): boolean {
  return same(left, right)
}
