import type { Column, ColumnBatch, FieldPath } from '../stream/column-batch.ts'
import type { Event } from '../stream/event.ts'
import { ClosureCompiler, type EvaluationPlace } from './closure-compiler.ts'
import { CodeCompiler, type FieldCode } from './code-compiler.ts'
import type { Expression } from './expression.ts'
import { sizeOf } from './expression-analysis.ts'
import type { ExpressionEnvironment } from './expression-environment.ts'
import { Timestamp } from './value.ts'

/** Unary predicates compiled over a batch: one pass over the rows for each few hundred of them. */
export class ColumnPredicates {
  readonly #columnIndexOf: (path: FieldPath) => number
  readonly #environment: ExpressionEnvironment
  readonly #parts: PredicatePart[] = []
  #count = 0

  /**
   * @param columnIndexOf gives the batch column of a path. What predicates may not read (steps,
   *   names) is CEL's error.
   */
  constructor(
    predicates: readonly Expression[],
    columnIndexOf: (path: FieldPath) => number,
    environment: ExpressionEnvironment,
  ) {
    this.#columnIndexOf = columnIndexOf
    this.#environment = environment
    this.add(predicates)
  }

  /** 32-bit words a row: ceil(predicates / 32). */
  get wordsPerRow(): number {
    return Math.ceil(this.#count / 32)
  }

  get count(): number {
    return this.#count
  }

  /** Adds predicates behind those that are there, which are not compiled anew. */
  add(predicates: readonly Expression[]): void {
    const from = this.#count
    this.#count += predicates.length
    if (predicates.length === 0) return
    const errors = new Float64Array(predicates.length)
    const firstErrorRows = new Int32Array(predicates.length).fill(-1)
    const place = columnPlace(this.#columnIndexOf)
    const closures = new ClosureCompiler<RowContext>(place, this.#environment)
    const scan = { closures, columnIndexOf: this.#columnIndexOf, from, errors, firstErrorRows }
    const loops = chunksOf(predicates, from).map(
      (chunk) =>
        (this.#environment.codegen === false ? undefined : generateLoop(chunk, scan)) ??
        closureLoop(chunk, scan),
    )
    this.#parts.push({ from, errors, firstErrorRows, loops })
  }

  /**
   * For each row with `selected[row] === 1`: sets bit (i & 31) of
   * `words[row * wordsPerRow + (i >> 5)]` for each predicate i that is true. `words` must come
   * with those bits clear. Rows go from 0 to the batch's count.
   */
  evaluate(
    batch: ColumnBatch,
    timestamps: Float64Array,
    selected: Uint8Array,
    words: Int32Array,
  ): void {
    const { stream } = batch.batch.split
    const { wordsPerRow } = this
    const context = {
      columns: batch.columns,
      timestamps,
      stream,
      wordsPerRow,
      row: 0,
      variables: [],
    }
    for (const { firstErrorRows, loops } of this.#parts) {
      firstErrorRows.fill(-1)
      for (const loop of loops) loop(context, batch.batch.count, selected, words)
    }
  }

  /**
   * Tells of the predicates that have had errors: a value that was CEL's error, or neither true nor
   * false; how often, and the row of the first one in the last batch (-1: it had none).
   */
  forEachError(tell: (predicate: number, errors: number, firstErrorRow: number) => void): void {
    for (const { from, errors, firstErrorRows } of this.#parts) {
      for (let index = 0; index < errors.length; index++) {
        const count = errors[index] as number
        if (count > 0) tell(from + index, count, firstErrorRows[index] as number)
      }
    }
  }
}

/** Predicates that were added together. */
interface PredicatePart {
  /** Index of the first one. */
  readonly from: number
  readonly errors: Float64Array
  readonly firstErrorRows: Int32Array
  readonly loops: readonly RowLoop[]
}

interface RowContext {
  readonly columns: readonly Column[]
  readonly timestamps: Float64Array
  readonly stream: string
  readonly wordsPerRow: number
  row: number
  readonly variables: unknown[]
}

type RowLoop = (context: RowContext, count: number, selected: Uint8Array, words: Int32Array) => void

interface NumberedPredicate {
  /** Among all predicates. */
  readonly index: number
  readonly expression: Expression
}

interface Scan {
  readonly closures: ClosureCompiler<RowContext>
  readonly columnIndexOf: (path: FieldPath) => number
  /** Index of the first predicate: `errors` and `firstErrorRows` count from there. */
  readonly from: number
  readonly errors: Float64Array
  readonly firstErrorRows: Int32Array
}

/**
 * V8 does not optimise a function of more than 60 KB of bytecode; a node of an expression makes
 * some 30 bytes, and what stays far below it also compiles sooner.
 */
const nodesPerLoop = 400

function chunksOf(predicates: readonly Expression[], from: number): NumberedPredicate[][] {
  const chunks: NumberedPredicate[][] = []
  let nodes = 0
  for (const [at, expression] of predicates.entries()) {
    const index = from + at
    const size = sizeOf(expression)
    const last = chunks.at(-1)
    if (last === undefined || nodes + size > nodesPerLoop) {
      chunks.push([{ index, expression }])
      nodes = size
    } else {
      last.push({ index, expression })
      nodes += size
    }
  }
  return chunks
}

function columnPlace(columnIndexOf: Scan['columnIndexOf']): EvaluationPlace<RowContext> {
  const nothing = () => undefined
  return {
    field: (path) => {
      const index = columnIndexOf(path)
      return ({ columns, row }) => columns[index]?.value(row)
    },
    eventTime: ({ timestamps, row }) => new Timestamp(timestamps[row] ?? Number.NaN),
    stream: ({ stream }) => stream,
    name: () => nothing,
    last: (): (() => Event | undefined) => nothing,
    events: () => () => [],
    takenField: () => nothing,
    takenTime: nothing,
  }
}

function closureLoop(chunk: readonly NumberedPredicate[], scan: Scan): RowLoop {
  const { from, errors, firstErrorRows } = scan
  const tests = chunk.map(({ index, expression }) => ({
    index,
    evaluate: scan.closures.compile(expression),
  }))
  return (context, count, selected, words) => {
    const { wordsPerRow } = context
    for (let row = 0; row < count; row++) {
      if (selected[row] !== 1) continue
      context.row = row
      for (const { index, evaluate } of tests) {
        const outcome = evaluate(context)
        if (outcome === true) {
          const word = row * wordsPerRow + (index >> 5)
          words[word] = (words[word] ?? 0) | (1 << (index & 31))
        } else if (outcome !== false) {
          errors[index - from] = (errors[index - from] ?? 0) + 1
          if (firstErrorRows[index - from] === -1) firstErrorRows[index - from] = row
        }
      }
    }
  }
}

/** The same loop as code; `undefined` where code may not be generated. */
function generateLoop(chunk: readonly NumberedPredicate[], scan: Scan): RowLoop | undefined {
  const columns = new Set<number>()
  const field = (path: FieldPath): FieldCode => {
    const index = scan.columnIndexOf(path)
    columns.add(index)
    return {
      value: `(K${index}[r] === 4 ? N${index}[r] : C${index}.value(r))`,
      column: {
        kind: `K${index}[r]`,
        number: `N${index}[r]`,
        isString: (name) => `C${index}.isString(r, ${name})`,
      },
    }
  }
  const code = new CodeCompiler<RowContext>(
    { field, lastField: null, stepCount: null, stream: 'x.stream', context: 'x' },
    scan.closures,
  )
  const body = chunk.map(({ index, expression }) => {
    const value = code.write(expression)
    const at = index - scan.from
    const failed = `E[${at}]++; if (F[${at}] === -1) F[${at}] = r`
    return `{\n${code.takeLines()}
      if (${value} === true) w${index >> 5} |= ${1 << (index & 31)}
      else if (${value} !== false) { ${failed} }\n}`
  })
  const words = [...new Set(chunk.map(({ index }) => index >> 5))]
  const heads = [...columns].map(
    (index) =>
      `const C${index} = x.columns[${index}], K${index} = C${index}.kinds, N${index} = C${index}.numbers`,
  )
  const source = `return (x, n, S, W) => {
    ${heads.join('\n')}
    const width = x.wordsPerRow
    for (let r = 0; r < n; r++) {
      if (S[r] !== 1) continue
      ${code.usesContext ? 'x.row = r' : ''}
      ${words.map((word) => `let w${word} = 0`).join('\n')}
      ${body.join('\n')}
      ${words.map((word) => `if (w${word} !== 0) W[r * width + ${word}] |= w${word}`).join('\n')}
    }
  }`
  return code.build(source, { E: scan.errors, F: scan.firstErrorRows }) as RowLoop | undefined
}
