/** A number: it stands beside its tag. */
export const numberTag = 0
/** A value that is kept where the field is, as the table has no room for it. */
export const keptTag = 1
const missingTag = 2

/** A longer text is not worth a place in the table. */
const textLengthMax = 32
const textsMax = 4096

/**
 * Values of field slots as small numbers, so that most fields of taken events are no objects: the
 * values that are no numbers and come again (countries, types, states) have a place in a table.
 */
export class FieldTags {
  readonly #values: unknown[] = [0, undefined, undefined, null, false, true]
  readonly #tags = new Map<unknown, number>()
  readonly #tagsMax: number

  constructor() {
    this.#tagsMax = this.#values.length + textsMax
    for (let tag = keptTag + 1; tag < this.#values.length; tag++) {
      this.#tags.set(this.#values[tag], tag)
    }
  }

  /** The tag of a value; a number's stands for all numbers. */
  tagOf(value: unknown): number {
    if (typeof value === 'number') return numberTag
    if (value === undefined) return missingTag
    return this.#tags.get(value) ?? this.#newTag(value)
  }

  /** The value of a tag that is neither a number's nor that of a kept value. */
  valueOf(tag: number): unknown {
    return this.#values[tag]
  }

  #newTag(value: unknown): number {
    const isText = typeof value === 'string' && value.length <= textLengthMax
    const tag = this.#values.length
    if (!isText || tag === this.#tagsMax) return keptTag
    this.#values.push(value)
    this.#tags.set(value, tag)
    return tag
  }
}
