/** A seeded stream of numbers in [0, 1) (mulberry32); the same seed gives the same stream. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Seeds that follow each other must not give streams that resemble each other.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from `min` to `max`, both possible. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  /** A number from `min` to `max`, rounded to so many decimals. */
  decimal(min: number, max: number, digits: number): number {
    return Number((min + this.next() * (max - min)).toFixed(digits))
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.integer(0, items.length - 1)] ?? items[0]
  }
}
