import { spread } from '../state/inline-key.ts'

const initialCapacity = 1024
const loadFactorMax = 0.7

/** Integers of a place: hash, address of the record, expiry. */
const placeWidth = 3
const free = -1

/** Places that are looked at for records that are gone, whenever one is added. */
const placesOfSweep = 4

/**
 * Knows where the newest records of keys lie that are not in memory, by the keys' hashes: so a key that
 * has nothing costs no read. Two keys may have one hash. Twelve bytes a key, at most 35 with the free
 * places.
 */
export class ColdKeyIndex {
  #places = emptyPlaces(initialCapacity)
  #size = 0
  #swept = 0
  /** Keeps loads from being optimised away. */
  touched = 0
  readonly #isGone: (address: number) => boolean

  /** @param isGone whether the record of an address is there no more: it is forgotten some time */
  constructor(isGone: (address: number) => boolean) {
    this.#isGone = isGone
  }

  /** Number of records that are known, with some that are gone. */
  get size(): number {
    return this.#size
  }

  /** Reads ahead what looking up or adding these hashes will need: loads that decide nothing overlap. */
  touch(hashes: Int32Array, from: number, to: number): void {
    const places = this.#places
    const mask = this.#mask
    let touched = 0
    for (let index = from; index < to; index++) {
      touched ^= places[placeWidth * (spread(hashes[index] as number) & mask)] as number
    }
    this.touched = touched
  }

  /** The first place of a hash, for `next` and the like; -1: there is none. */
  first(hash: number): number {
    if (this.#size === 0) return -1
    return this.#from(spread(hash) & this.#mask, hash)
  }

  /** The next place of the same hash; -1: there is none. Nothing may have changed in between. */
  next(place: number): number {
    const hash = this.#places[placeWidth * place] as number
    return this.#from((place + 1) & this.#mask, hash)
  }

  addressAt(place: number): number {
    return this.#places[placeWidth * place + 1] as number
  }

  /** `expiryBucketOf`. */
  expiryAt(place: number): number {
    return this.#places[placeWidth * place + 2] as number
  }

  /** @param address from 0 on */
  add(hash: number, address: number, expiry: number): void {
    this.#sweep()
    if (++this.#size > (this.#places.length / placeWidth) * loadFactorMax) this.#grow()
    this.#put(hash | 0, address, expiry)
  }

  /** Forgets a record, if it is known. */
  remove(hash: number, address: number): void {
    for (let place = this.first(hash); place !== -1; place = this.next(place)) {
      if (this.addressAt(place) !== address) continue
      this.#free(place)
      return
    }
  }

  /** Number of records that fit. */
  count(fits: (expiry: number, address: number) => boolean): number {
    let count = 0
    for (let at = 1; at < this.#places.length; at += placeWidth) {
      const address = this.#places[at] as number
      if (address !== free && fits(this.#places[at + 1] as number, address)) count++
    }
    return count
  }

  get #mask(): number {
    return this.#places.length / placeWidth - 1
  }

  #from(start: number, hash: number): number {
    const places = this.#places
    const mask = this.#mask
    for (let place = start; ; place = (place + 1) & mask) {
      const at = placeWidth * place
      if (places[at + 1] === free) return -1
      if (places[at] === (hash | 0)) return place
    }
  }

  #put(hash: number, address: number, expiry: number): void {
    const places = this.#places
    const mask = this.#mask
    let place = spread(hash) & mask
    while (places[placeWidth * place + 1] !== free) place = (place + 1) & mask
    const at = placeWidth * place
    places[at] = hash
    places[at + 1] = address
    places[at + 2] = expiry
  }

  /** Each record that is added pays for a look at some: so those that are gone do not gather. */
  #sweep(): void {
    for (let looked = 0; looked < placesOfSweep; looked++) {
      const place = this.#swept & this.#mask
      const address = this.addressAt(place)
      // What comes behind one that is freed moves into its place.
      if (address !== free && this.#isGone(address)) this.#free(place)
      else this.#swept = place + 1
    }
  }

  /** Moves later ones of the probe sequence back, so that no tombstones are needed. */
  #free(removed: number): void {
    const places = this.#places
    const mask = this.#mask
    let gap = removed
    for (let place = (gap + 1) & mask; ; place = (place + 1) & mask) {
      const at = placeWidth * place
      if (places[at + 1] === free) break
      const home = spread(places[at] as number) & mask
      if (((place - home) & mask) < ((place - gap) & mask)) continue
      places.copyWithin(placeWidth * gap, at, at + placeWidth)
      gap = place
    }
    places[placeWidth * gap + 1] = free
    this.#size--
  }

  #grow(): void {
    const known = this.#places
    this.#places = emptyPlaces(2 * (known.length / placeWidth))
    for (let at = 0; at < known.length; at += placeWidth) {
      const address = known[at + 1] as number
      if (address !== free) this.#put(known[at] as number, address, known[at + 2] as number)
    }
  }
}

function emptyPlaces(capacity: number): Int32Array {
  return new Int32Array(placeWidth * capacity).fill(free)
}
