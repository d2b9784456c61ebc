import { TocsinError } from '../errors.ts'
import { RecordOutput } from './stream-record.ts'

/** Names a side output and the type of what goes there (Flink's OutputTag). */
export interface OutputTag<T> {
  readonly name: string
  /** Never present: keeps the type of the values. */
  readonly valueType?: T
}

export function outputTag<T>(name: string): OutputTag<T> {
  return { name }
}

/** The main output of an operator and its side outputs, which exist once somebody asks for them. */
export class TaggedOutputs<Out> {
  readonly main = new RecordOutput<Out>()
  readonly #sides = new Map<string, TaggedOutput>()

  /** @throws {TocsinError} PROGRAM_INVALID if another tag has the same name */
  side<T>(tag: OutputTag<T>): RecordOutput<T> {
    const known = this.#sides.get(tag.name)
    if (known?.tag === tag) return known.output as RecordOutput<unknown> as RecordOutput<T>
    if (known !== undefined) {
      throw new TocsinError('PROGRAM_INVALID', `two output tags are named '${tag.name}': keep one`)
    }
    const output = new RecordOutput<T>()
    this.#sides.set(tag.name, { tag, output: output as RecordOutput<unknown> })
    return output
  }

  *[Symbol.iterator](): IterableIterator<RecordOutput<never>> {
    yield this.main as RecordOutput<unknown> as RecordOutput<never>
    for (const { output } of this.#sides.values()) yield output as RecordOutput<never>
  }
}

interface TaggedOutput {
  readonly tag: OutputTag<unknown>
  readonly output: RecordOutput<unknown>
}
