import { twiceAsLong } from '../stream/growing-array.ts'
import { isList, listOf, notStarted } from './nfa-state.ts'

/** Integers of the smallest list: 64 bytes, a cache line. */
const unit = 16
/** What a list begins with: size class, partial matches that are open, matches that wait. */
const headWidth = 3
/** Where the first list begins: long arrays begin 16 bytes behind a cache line. */
const listsAt = 12
const endOfFree = -1

/** So many partial matches of a list are read ahead. */
export const listMatchesTouched = 4

/**
 * The partial matches of keys that have several, as lists in one long array: as arrays of their own
 * each would be an object that lives long. A list has room for a power of two of units.
 */
export class MatchLists {
  #numbers = new Int32Array(64 * unit + listsAt)
  #end = 0
  /** By size class: the first list that is free; each names the next. */
  readonly #free: number[] = []
  #units = 0

  /** Bytes in use. */
  get bytes(): number {
    return 4 * unit * this.#units
  }

  openCount(list: number): number {
    return this.#numbers[listsAt + list * unit + 1] as number
  }

  waitingCount(list: number): number {
    return this.#numbers[listsAt + list * unit + 2] as number
  }

  /** Those that are open, then those that wait, each in its order. */
  matchAt(list: number, index: number): number {
    return this.#numbers[listsAt + list * unit + headWidth + index] as number
  }

  /** Reads ahead the beginnings of those states that are lists. @see MatchStore.touch */
  touch(states: Int32Array, count: number): number {
    const numbers = this.#numbers
    let touched = 0
    for (let index = 0; index < count; index++) {
      const state = states[index] as number
      if (isList(state)) touched ^= numbers[listsAt + listOf(state) * unit + 1] as number
    }
    return touched
  }

  /**
   * Copies the first partial matches of a list that have started to `ids`, from `end` on.
   * @returns the end of what is there then
   */
  copyFirst(list: number, ids: Int32Array, end: number): number {
    const numbers = this.#numbers
    const at = listsAt + list * unit
    const count = Math.min(numbers[at + 1] as number, listMatchesTouched)
    let next = end
    for (let index = 0; index < count; index++) {
      const match = numbers[at + headWidth + index] as number
      if (match !== notStarted) ids[next++] = match
    }
    return next
  }

  /**
   * Writes a list with room for so many, whose places are to be `set`.
   * @param known a list that is overwritten, or whose room is given back; -1: none
   * @returns the list
   */
  write(known: number, open: number, waiting: number): number {
    let sizeClass = 0
    while (unit << sizeClass < headWidth + open + waiting) sizeClass++
    const isRoomy = known !== -1 && this.#numbers[listsAt + known * unit] === sizeClass
    if (known !== -1 && !isRoomy) this.free(known)
    const list = isRoomy ? known : this.#take(sizeClass)
    const at = listsAt + list * unit
    this.#numbers[at] = sizeClass
    this.#numbers[at + 1] = open
    this.#numbers[at + 2] = waiting
    return list
  }

  set(list: number, index: number, match: number): void {
    this.#numbers[listsAt + list * unit + headWidth + index] = match
  }

  free(list: number): void {
    const at = listsAt + list * unit
    const sizeClass = this.#numbers[at] as number
    this.#units -= 1 << sizeClass
    this.#numbers[at + 1] = this.#free[sizeClass] ?? endOfFree
    this.#free[sizeClass] = list
  }

  #take(sizeClass: number): number {
    this.#units += 1 << sizeClass
    while (this.#free.length <= sizeClass) this.#free.push(endOfFree)
    const free = this.#free[sizeClass] as number
    if (free !== endOfFree) {
      this.#free[sizeClass] = this.#numbers[listsAt + free * unit + 1] as number
      return free
    }
    const list = this.#end
    this.#end += 1 << sizeClass
    while (listsAt + this.#end * unit > this.#numbers.length)
      this.#numbers = twiceAsLong(this.#numbers)
    return list
  }
}
