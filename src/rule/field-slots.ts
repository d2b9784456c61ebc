import type { FieldPath } from '../stream/column-batch.ts'

/** Gives each field path an index, in order of first asking. */
export class FieldSlots {
  readonly paths: FieldPath[] = []
  readonly #indexes = new Map<string, number>()

  /** The index of a path that has one. */
  find(path: FieldPath): number | undefined {
    return this.#indexes.get(JSON.stringify(path))
  }

  readonly indexOf = (path: FieldPath): number => {
    const key = JSON.stringify(path)
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = this.paths.push(path) - 1
      this.#indexes.set(key, index)
    }
    return index
  }
}
