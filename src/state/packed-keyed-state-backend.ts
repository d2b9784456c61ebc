import { assert } from '../errors.ts'
import { twiceAsLong } from '../stream/growing-array.ts'
import {
  hasBeginning,
  hasRest,
  inlineKeyBytes,
  inlineKeyWords,
  spread,
  wordAt,
} from './inline-key.ts'
import type { EntryBackend, KeyBatch, NumberEntry } from './keyed-state-backend.ts'
import { PackedEntry } from './packed-entry.ts'

const initialCapacity = 1024
const loadFactorMax = 0.5

/** Integers of a key's record: a cache line. */
const recordWidth = 16
/** Where the first record begins: long arrays begin 16 bytes behind a cache line. */
const recordsAt = 12
const hashAt = 0
/** Length of the key + 1; 0: nobody has the record. */
const lengthAt = 1
const keyAt = 2
const firstSlotAt = keyAt + inlineKeyWords
/** Doubles, by their place in the same bytes. */
const timerAt = (recordsAt + 10) / 2
const sweepAt = (recordsAt + 12) / 2

/** What a slot that holds nothing reads as. */
const nothing = -1

/**
 * Keyed state that is numbers, and is never written: a key is a record of one cache line in a long
 * array, with its first bytes, the state of the first pattern and its times. As objects, millions of
 * keys would cost the garbage collector a copy each and the processor a wait for each part. Open
 * addressing with linear probing finds the records; what stands beside their numbers is the hash.
 *
 * Entries that are handed out are views, which are used again: see `EntryBackend`.
 */
export class PackedKeyedStateBackend implements EntryBackend<PackedEntry> {
  readonly tracksChanges = false
  #integers = new Int32Array(initialCapacity * recordWidth + recordsAt)
  #doubles = new Float64Array(this.#integers.buffer)
  /** Pairs: hash, number of the record + 1 (0: the place is free). */
  #places = new Int32Array(2 * initialCapacity)
  #mask = initialCapacity - 1
  #size = 0
  /** Records that somebody has or has had: the others lie behind them. */
  #end = 0
  #free: number[] = []
  /** Records that were given back since keys were last looked up: views may still be at them. */
  #freed: number[] = []
  /** By record: slots from the second on, and keys that have no room in their record. */
  readonly #others: (number[] | undefined)[] = []
  readonly #longKeys = new Map<number, string>()
  /** Views of the keys that were looked up together, and of the one looked up or made last. */
  readonly #views: PackedEntry[] = []
  readonly #one = new PackedEntry(this, 0)
  #found = new Int32Array(0)
  /** First slots of the keys that `findAll` was asked for; those of others where hashes are the same. */
  foundStates = new Int32Array(0)
  /** Where the sweep goes on. */
  #hand = 0
  /** Keeps loads from being optimised away. */
  touched = 0

  get size(): number {
    return this.#size
  }

  find(arena: Buffer, start: number, end: number, hash: number): PackedEntry | undefined {
    const record = this.#find(arena, start, end, hash)
    return record === nothing ? undefined : this.#one.moveTo(record)
  }

  /** Each loop waits for one kind of memory only, and none of its loads for another: they overlap. */
  findAll(keys: KeyBatch, from: number, to: number, entries: (PackedEntry | undefined)[]): void {
    this.#recycle()
    const { arenas, keyStarts, keyEnds, hashes } = keys
    const places = this.#places
    const mask = this.#mask
    const count = to - from
    while (this.#views.length < count) this.#views.push(new PackedEntry(this, 0))
    if (this.#found.length < count) {
      this.#found = new Int32Array(count)
      this.foundStates = new Int32Array(count)
    }
    const found = this.#found
    const states = this.foundStates
    let touched = 0
    for (let index = from; index < to; index++) {
      touched ^= places[2 * (spread(hashes[index] as number) & mask)] as number
    }
    for (let index = 0; index < count; index++) {
      found[index] = this.#candidate(hashes[from + index] as number)
    }
    const integers = this.#integers
    for (let index = 0; index < count; index++) {
      const record = found[index] as number
      states[index] =
        record === nothing
          ? nothing
          : (integers[recordsAt + record * recordWidth + firstSlotAt] as number)
    }
    this.touched = touched
    for (let place = 0; place < count; place++) {
      let record = found[place] as number
      if (record !== nothing) {
        const arena = arenas[from + place] as Buffer
        const start = keyStarts[from + place] as number
        const end = keyEnds[from + place] as number
        // Of several keys with the same hash it is another one.
        if (!this.#isKey(record, arena, start, end)) {
          record = this.#find(arena, start, end, hashes[from + place] as number)
        }
      }
      entries[place] =
        record === nothing ? undefined : (this.#views[place] as PackedEntry).moveTo(record)
    }
  }

  touchPlaces(entries: readonly (PackedEntry | undefined)[], count: number): void {
    const mask = this.#mask
    let touched = 0
    for (let index = 0; index < count; index++) {
      const hash = this.hashOf((entries[index] as PackedEntry).record)
      touched ^= this.#places[2 * (spread(hash) & mask)] as number
    }
    this.touched = touched
  }

  create(arena: Buffer, start: number, end: number, hash: number): PackedEntry {
    this.#size++
    if (this.#size > (this.#mask + 1) * loadFactorMax) this.#growPlaces()
    const record = this.#free.pop() ?? this.#growRecords()
    this.#takePlace(hash | 0, record)
    const integers = this.#integers
    const at = recordsAt + record * recordWidth
    const length = end - start
    integers[at + hashAt] = hash
    integers[at + lengthAt] = length + 1
    for (let word = 0; word < inlineKeyWords; word++) {
      const from = start + 4 * word
      integers[at + keyAt + word] = wordAt(arena, from, Math.min(from + 4, end))
    }
    integers[at + firstSlotAt] = nothing
    this.setTimerAt(record, Infinity)
    this.setSweepAt(record, Infinity)
    if (length > inlineKeyBytes) {
      this.#longKeys.set(record, arena.toString('latin1', start, end))
    }
    return this.#one.moveTo(record)
  }

  remove(entry: PackedEntry): void {
    const { record } = entry
    const at = recordsAt + record * recordWidth
    const places = this.#places
    const mask = this.#mask
    let place = spread(this.#integers[at + hashAt] as number) & mask
    while (places[2 * place + 1] !== record + 1) {
      assert(places[2 * place + 1] !== 0, 'an entry is removed once')
      place = (place + 1) & mask
    }
    this.#closeGap(place)
    if ((this.#integers[at + lengthAt] as number) > inlineKeyBytes + 1) {
      this.#longKeys.delete(record)
    }
    if (record < this.#others.length) this.#others[record] = undefined
    this.#integers[at + lengthAt] = 0
    this.#freed.push(record)
    this.#size--
  }

  *entries(): Iterable<PackedEntry> {
    const view = new PackedEntry(this, 0)
    for (let record = 0; record < this.#end; record++) {
      if (this.isUsed(record)) yield view.moveTo(record)
    }
  }

  beforeChange(): void {}

  markChanged(): void {}

  /** How many records there are: a whole sweep looks at so many. */
  get records(): number {
    return this.#end
  }

  /**
   * Looks at the next `count` records and puts views of those that are due into `entries`, from 0 on.
   * @returns their number, and how many records are left to look at: fewer than those asked for are
   *   looked at where `entries` is full
   */
  sweep(
    count: number,
    until: number,
    entries: (NumberEntry | undefined)[],
  ): { readonly due: number; readonly left: number } {
    const doubles = this.#doubles
    let due = 0
    let left = Math.min(count, this.#end)
    for (; left > 0 && due < entries.length; left--) {
      this.#hand = this.#hand + 1 < this.#end ? this.#hand + 1 : 0
      const record = this.#hand
      if ((doubles[sweepAt + record * (recordWidth / 2)] as number) > until) continue
      if (!this.isUsed(record)) continue
      while (this.#views.length <= due) this.#views.push(new PackedEntry(this, 0))
      entries[due] = (this.#views[due] as PackedEntry).moveTo(record)
      due++
    }
    return { due, left }
  }

  entryOf(record: number): PackedEntry {
    return new PackedEntry(this, record)
  }

  isUsed(record: number): boolean {
    return this.#integers[recordsAt + record * recordWidth + lengthAt] !== 0
  }

  hashOf(record: number): number {
    return this.#integers[recordsAt + record * recordWidth + hashAt] as number
  }

  keyOf(record: number): string {
    const long = this.#longKeys.get(record)
    if (long !== undefined) return long
    const at = recordsAt + record * recordWidth
    const length = (this.#integers[at + lengthAt] as number) - 1
    let key = ''
    for (let index = 0; index < length; index++) {
      const word = this.#integers[at + keyAt + (index >> 2)] as number
      key += String.fromCharCode((word >>> (8 * (index & 3))) & 0xff)
    }
    return key
  }

  stateOf(record: number, slot: number): number {
    if (slot === 0) return this.#integers[recordsAt + record * recordWidth + firstSlotAt] as number
    return this.#others[record]?.[slot - 1] ?? nothing
  }

  setState(record: number, slot: number, state: number): void {
    if (slot === 0) {
      this.#integers[recordsAt + record * recordWidth + firstSlotAt] = state
      return
    }
    while (this.#others.length <= record) this.#others.push(undefined)
    let others = this.#others[record]
    if (others === undefined) {
      others = []
      this.#others[record] = others
    }
    while (others.length < slot) others.push(nothing)
    others[slot - 1] = state
  }

  timerAt(record: number): number {
    return this.#doubles[timerAt + record * (recordWidth / 2)] as number
  }

  setTimerAt(record: number, timestamp: number): void {
    this.#doubles[timerAt + record * (recordWidth / 2)] = timestamp
  }

  sweepAt(record: number): number {
    return this.#doubles[sweepAt + record * (recordWidth / 2)] as number
  }

  setSweepAt(record: number, timestamp: number): void {
    this.#doubles[sweepAt + record * (recordWidth / 2)] = timestamp
  }

  /** The record of a key that may be the one with this hash, by its place; -1: there is none. */
  #candidate(hash: number): number {
    const places = this.#places
    const mask = this.#mask
    for (let place = spread(hash) & mask; ; place = (place + 1) & mask) {
      const next = places[2 * place + 1] as number
      if (next === 0) return nothing
      if (places[2 * place] === hash) return next - 1
    }
  }

  #find(arena: Buffer, start: number, end: number, hash: number): number {
    const places = this.#places
    const mask = this.#mask
    for (let place = spread(hash | 0) & mask; ; place = (place + 1) & mask) {
      const next = places[2 * place + 1] as number
      if (next === 0) return nothing
      if (places[2 * place] !== (hash | 0)) continue
      if (this.#isKey(next - 1, arena, start, end)) return next - 1
    }
  }

  #isKey(record: number, arena: Buffer, start: number, end: number): boolean {
    const integers = this.#integers
    const at = recordsAt + record * recordWidth
    const length = end - start
    if (integers[at + lengthAt] !== length + 1) return false
    if (!hasBeginning(integers, at + keyAt, arena, start, length)) return false
    return length <= inlineKeyBytes || hasRest(this.#longKeys.get(record) as string, arena, start)
  }

  #takePlace(hash: number, record: number): void {
    const places = this.#places
    const mask = this.#mask
    let place = spread(hash) & mask
    while (places[2 * place + 1] !== 0) place = (place + 1) & mask
    places[2 * place] = hash
    places[2 * place + 1] = record + 1
  }

  /** Moves later pairs of the probe sequence back, so that no tombstones are needed. */
  #closeGap(removed: number): void {
    const places = this.#places
    const mask = this.#mask
    let gap = removed
    for (let place = (gap + 1) & mask; ; place = (place + 1) & mask) {
      if (places[2 * place + 1] === 0) break
      const home = spread(places[2 * place] as number) & mask
      if (((place - home) & mask) < ((place - gap) & mask)) continue
      places[2 * gap] = places[2 * place] as number
      places[2 * gap + 1] = places[2 * place + 1] as number
      gap = place
    }
    places[2 * gap + 1] = 0
  }

  #growPlaces(): void {
    const known = this.#places
    this.#places = new Int32Array(2 * known.length)
    this.#mask = known.length - 1
    for (let place = 0; place < known.length; place += 2) {
      const next = known[place + 1] as number
      if (next !== 0) this.#takePlace(known[place] as number, next - 1)
    }
  }

  #growRecords(): number {
    const record = this.#end++
    if (recordsAt + this.#end * recordWidth > this.#integers.length) {
      this.#integers = twiceAsLong(this.#integers)
      this.#doubles = new Float64Array(this.#integers.buffer)
    }
    return record
  }

  #recycle(): void {
    if (this.#freed.length === 0) return
    for (const record of this.#freed) this.#free.push(record)
    this.#freed.length = 0
  }
}
