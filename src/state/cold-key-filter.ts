const initialCapacity = 1024
const loadFactorMax = 0.7

const usedBit = 1
const sideBits = 6
const manyBit = 8
const expiryShift = 4

/**
 * Knows of keys by their hashes which are not in memory but on disk: so a key that has nothing there
 * costs no read. Where it says none there is none; two keys of one hash count as one that is on both
 * sides. Eight bytes a key, at most 23 with the free places.
 */
export class ColdKeyFilter {
  /** Two integers a place: hash, and bits; 0: it is free. */
  #places = new Int32Array(initialCapacity * 2)
  #size = 0

  /** Number of hashes that are known. */
  get size(): number {
    return this.#size
  }

  /** The sides on which a key of this hash may have its newest row: 1, 2 or both, 3; 0: none. */
  sidesOf(hash: number): number {
    const at = this.#find(hash)
    return ((this.#places[at + 1] as number) & sideBits) >> 1
  }

  /** The bucket with whose end what keys of this hash have on disk says nothing; -1: no such key. */
  expiryOf(hash: number): number {
    const bits = this.#places[this.#find(hash) + 1] as number
    return bits === 0 ? -1 : bits >>> expiryShift
  }

  /** Whether several keys of this hash count as one. */
  hasMany(hash: number): boolean {
    return ((this.#places[this.#find(hash) + 1] as number) & manyBit) !== 0
  }

  /** @param expiryBucket at most 2^28 - 1 */
  add(hash: number, side: 0 | 1, expiryBucket: number): void {
    const at = this.#find(hash)
    const bits = this.#places[at + 1] as number
    if (bits === 0) {
      this.#places[at] = hash
      this.#places[at + 1] = usedBit | (2 << side) | (expiryBucket << expiryShift)
      if (++this.#size > (this.#places.length / 2) * loadFactorMax) this.#grow()
      return
    }
    const expiry = Math.max(bits >>> expiryShift, expiryBucket)
    this.#places[at + 1] =
      usedBit | manyBit | (bits & sideBits) | (2 << side) | (expiry << expiryShift)
  }

  /** A key has come into memory. Of several with its hash none is forgotten. */
  remove(hash: number): void {
    const at = this.#find(hash)
    const bits = this.#places[at + 1] as number
    if (bits !== 0 && (bits & manyBit) === 0) this.#free(at / 2)
  }

  /** Forgets all keys of a hash: none of them has anything on disk that counts. */
  drop(hash: number): void {
    const at = this.#find(hash)
    if (this.#places[at + 1] !== 0) this.#free(at / 2)
  }

  /** Number of hashes whose bucket fits. */
  count(fits: (expiryBucket: number) => boolean): number {
    let count = 0
    for (let at = 1; at < this.#places.length; at += 2) {
      const bits = this.#places[at] as number
      if (bits !== 0 && fits(bits >>> expiryShift)) count++
    }
    return count
  }

  /** Index of the hash's place, or of the free one that it would get. */
  #find(hash: number): number {
    const places = this.#places
    const mask = places.length / 2 - 1
    for (let place = spread(hash) & mask; ; place = (place + 1) & mask) {
      const at = 2 * place
      if (places[at + 1] === 0 || places[at] === (hash | 0)) return at
    }
  }

  /** Moves later ones of the probe sequence back, so that no tombstones are needed. */
  #free(removed: number): void {
    const places = this.#places
    const mask = places.length / 2 - 1
    let gap = removed
    for (let place = (gap + 1) & mask; places[2 * place + 1] !== 0; place = (place + 1) & mask) {
      const home = spread(places[2 * place] as number) & mask
      if (((place - home) & mask) < ((place - gap) & mask)) continue
      places[2 * gap] = places[2 * place] as number
      places[2 * gap + 1] = places[2 * place + 1] as number
      gap = place
    }
    places[2 * gap + 1] = 0
    this.#size--
  }

  #grow(): void {
    const places = this.#places
    this.#places = new Int32Array(places.length * 2)
    for (let at = 0; at < places.length; at += 2) {
      if (places[at + 1] === 0) continue
      const to = this.#find(places[at] as number)
      this.#places[to] = places[at] as number
      this.#places[to + 1] = places[at + 1] as number
    }
  }
}

/** Low bits decide the place: see HeapKeyedStateBackend. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15)
}
