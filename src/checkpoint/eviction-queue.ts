import type { StoredEntry } from './stored-entry.ts'

const initialCapacity = 1024

/**
 * The entries in memory, in the order in which they will leave it: the first to come is the first to
 * leave, but one that has been looked up since it was put here stays for another round (second chance,
 * as in Corbató's paging experiment, 1968). Entries that came together lie together in memory, with what
 * they hold: so in this order, and not in that of their hashes, reading them waits least.
 */
export class EvictionQueue {
  #ring: (StoredEntry | undefined)[] = new Array(initialCapacity).fill(undefined)
  #first = 0
  #count = 0

  /** Entries, with some that have been removed. */
  get count(): number {
    return this.#count
  }

  /** @param size entries that are in memory: others are forgotten some time */
  add(entry: StoredEntry, size: number): void {
    if (this.#count === this.#ring.length) {
      if (this.#count > 2 * size) this.#forgetRemoved()
      else this.#grow()
    }
    this.#push(entry)
  }

  /**
   * Takes entries out that are to leave memory next.
   * @param leaving where they are put, from 0 on
   * @param max so many at most
   * @param looks entries that are looked at, at most
   * @returns how many there are, and how many entries were looked at
   */
  take(leaving: StoredEntry[], max: number, looks: number): TakenEntries {
    let count = 0
    let looked = 0
    const end = Math.min(looks, this.#count)
    while (looked < end && count < max) {
      looked++
      const entry = this.#shift()
      if (entry.removed) continue
      if (entry.referenced) {
        entry.referenced = false
        this.#push(entry)
      } else leaving[count++] = entry
    }
    return { count, looked }
  }

  #shift(): StoredEntry {
    const entry = this.#ring[this.#first] as StoredEntry
    this.#ring[this.#first] = undefined
    this.#first = (this.#first + 1) & (this.#ring.length - 1)
    this.#count--
    return entry
  }

  #push(entry: StoredEntry): void {
    this.#ring[(this.#first + this.#count++) & (this.#ring.length - 1)] = entry
  }

  #forgetRemoved(): void {
    for (let left = this.#count; left > 0; left--) {
      const entry = this.#shift()
      if (!entry.removed) this.#push(entry)
    }
  }

  #grow(): void {
    const ring = this.#ring
    const kept = [...ring.slice(this.#first), ...ring.slice(0, this.#first)]
    this.#ring = kept.concat(new Array(ring.length).fill(undefined))
    this.#first = 0
  }
}

export interface TakenEntries {
  readonly count: number
  readonly looked: number
}
