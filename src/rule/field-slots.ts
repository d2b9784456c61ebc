import type { LateField } from '../operator/late-fields.ts'
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

/** The same for fields that only alerts read: as they are, and as alerts may show them. */
export class LateSlots {
  readonly fields: LateField[] = []
  readonly #indexes = new Map<string, number>()

  indexOf(path: FieldPath, isShown: boolean): number {
    const key = JSON.stringify([isShown, path])
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = this.fields.push({ path, isShown }) - 1
      this.#indexes.set(key, index)
    }
    return index
  }
}
