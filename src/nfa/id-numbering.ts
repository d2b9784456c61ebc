/** A list of so many is searched about as fast as a map is asked. */
const searchedMax = 16

/**
 * Numbers ids from 0 on, in the order in which they come. The same one is filled again and again, and
 * most hold a few: those make no garbage.
 */
export class IdNumbering {
  readonly #ids: number[] = []
  /** Where there are too many to be searched. */
  readonly #numbers = new Map<number, number>()

  get count(): number {
    return this.#ids.length
  }

  idAt(number: number): number {
    return this.#ids[number] as number
  }

  /** -1: it has none. */
  numberOf(id: number): number {
    return this.#numbers.size === 0 ? this.#ids.indexOf(id) : (this.#numbers.get(id) ?? -1)
  }

  /** Gives an id that has no number the next one. */
  add(id: number): void {
    const number = this.#ids.push(id) - 1
    if (this.#numbers.size > 0) this.#numbers.set(id, number)
    else if (number === searchedMax) {
      for (const [index, each] of this.#ids.entries()) this.#numbers.set(each, index)
    }
  }

  clear(): void {
    this.#ids.length = 0
    if (this.#numbers.size > 0) this.#numbers.clear()
  }
}
