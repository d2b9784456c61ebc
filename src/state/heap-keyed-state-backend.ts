import { assert } from '../errors.ts'
import {
  hasBeginning,
  hasRest,
  inlineKeyBytes,
  inlineKeyWords,
  spread,
  wordAt,
} from './inline-key.ts'
import { type KeyBatch, KeyEntry, type KeyedStateBackend } from './keyed-state-backend.ts'

const initialCapacity = 1024
const loadFactorMax = 0.6

/** Integers of a slot: hash, length of the key + 1 (0: it is free), and the key's first bytes, four to an integer. */
const slotWidth = 2 + inlineKeyWords
/** Where the first slot begins: long arrays begin 16 bytes behind a cache line, and a slot is half of one. */
const slotsAt = 4

/**
 * Keyed state on the heap: open addressing with linear probing over the keys' own hashes. A JS Map
 * would need a string for each event only to look it up. A slot holds the beginning of its key, so
 * that most keys are told apart without touching their entry.
 */
export class HeapKeyedStateBackend implements KeyedStateBackend {
  #table: (KeyEntry | undefined)[] = new Array(initialCapacity).fill(undefined)
  #slots = new Int32Array(initialCapacity * slotWidth + slotsAt)
  #size = 0
  readonly tracksChanges = false
  /** Keeps loads from being optimised away. */
  touched = 0

  get size(): number {
    return this.#size
  }

  find(arena: Buffer, start: number, end: number, hash: number): KeyEntry | undefined {
    const slots = this.#slots
    const mask = this.#table.length - 1
    const length = end - start
    for (let slot = spread(hash | 0) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * slotWidth + slotsAt
      const known = slots[at + 1] as number
      if (known === 0) return undefined
      if (known !== length + 1 || slots[at] !== (hash | 0)) continue
      if (!hasBeginning(slots, at + 2, arena, start, length)) continue
      const entry = this.#table[slot] as KeyEntry
      if (length <= inlineKeyBytes || hasRest(entry.key, arena, start)) return entry
    }
  }

  findAll(keys: KeyBatch, from: number, to: number, entries: (KeyEntry | undefined)[]): void {
    const { arenas, keyStarts, keyEnds, hashes } = keys
    const slots = this.#slots
    const table = this.#table
    const mask = table.length - 1
    // Loads that wait for nothing and decide nothing overlap: where they are compared, they are near.
    let touched = 0
    for (let index = from; index < to; index++) {
      touched += slots[(spread(hashes[index] as number) & mask) * slotWidth + slotsAt] as number
    }
    for (let index = from; index < to; index++) {
      if (table[spread(hashes[index] as number) & mask]?.removed) touched++
    }
    this.touched = touched
    for (let index = from; index < to; index++) {
      const start = keyStarts[index] as number
      const end = keyEnds[index] as number
      const hash = hashes[index] as number
      entries[index - from] = this.find(arenas[index] as Buffer, start, end, hash)
    }
  }

  /** Reads the places of entries that may be removed soon: @see findAll */
  touchPlaces(entries: readonly (KeyEntry | undefined)[], count: number): void {
    const mask = this.#table.length - 1
    let touched = 0
    for (let index = 0; index < count; index++) {
      const slot = spread((entries[index] as KeyEntry).hash) & mask
      if (this.#table[slot] !== undefined)
        touched += this.#slots[slot * slotWidth + slotsAt] as number
    }
    this.touched = touched
  }

  findOrCreate(arena: Buffer, start: number, end: number, hash: number): KeyEntry {
    const found = this.find(arena, start, end, hash)
    if (found !== undefined) return found
    return this.create(arena, start, end, hash)
  }

  create(arena: Buffer, start: number, end: number, hash: number): KeyEntry {
    const entry = new KeyEntry(arena.toString('latin1', start, end), hash)
    this.insert(entry, arena, start, end)
    return entry
  }

  /** Takes an entry whose key, `arena[start .. end)`, has none. */
  insert(entry: KeyEntry, arena: Buffer, start: number, end: number): void {
    this.#size++
    if (this.#size > this.#table.length * loadFactorMax) this.#grow()
    const slot = this.#freeSlot(entry.hash)
    this.#table[slot] = entry
    const at = slot * slotWidth + slotsAt
    const length = end - start
    this.#slots[at] = entry.hash
    this.#slots[at + 1] = length + 1
    for (let word = 0; word < inlineKeyWords; word++) {
      const from = start + 4 * word
      this.#slots[at + 2 + word] = wordAt(arena, from, Math.min(from + 4, end))
    }
  }

  remove(entry: KeyEntry): void {
    const mask = this.#table.length - 1
    let slot = spread(entry.hash) & mask
    while (this.#table[slot] !== entry) {
      assert(this.#table[slot] !== undefined, 'an entry is removed once')
      slot = (slot + 1) & mask
    }
    entry.removed = true
    this.#size--
    this.#closeGap(slot, mask)
  }

  *entries(): Iterable<KeyEntry> {
    for (const entry of this.#table) if (entry !== undefined) yield entry
  }

  /** Number of places that entries may have; it grows with them. */
  get places(): number {
    return this.#table.length
  }

  /** The entry in a place, if there is one: another one may have it after a change. */
  entryAt(place: number): KeyEntry | undefined {
    return this.#table[place]
  }

  beforeChange(): void {}

  markChanged(): void {}

  /** Moves later entries of the probe sequence back, so that no tombstones are needed. */
  #closeGap(removed: number, mask: number): void {
    const slots = this.#slots
    let gap = removed
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#table[slot]
      if (entry === undefined) break
      const at = slot * slotWidth + slotsAt
      const home = spread(slots[at] as number) & mask
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue
      this.#table[gap] = entry
      for (let word = 0; word < slotWidth; word++) {
        slots[gap * slotWidth + slotsAt + word] = slots[at + word] as number
      }
      gap = slot
    }
    this.#table[gap] = undefined
    slots[gap * slotWidth + slotsAt + 1] = 0
  }

  #freeSlot(hash: number): number {
    const mask = this.#table.length - 1
    let slot = spread(hash) & mask
    while (this.#table[slot] !== undefined) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const table = this.#table
    const slots = this.#slots
    this.#table = new Array(table.length * 2).fill(undefined)
    this.#slots = new Int32Array(this.#table.length * slotWidth + slotsAt)
    for (let old = 0; old < table.length; old++) {
      const entry = table[old]
      if (entry === undefined) continue
      const from = old * slotWidth + slotsAt
      const slot = this.#freeSlot(slots[from] as number)
      this.#table[slot] = entry
      for (let word = 0; word < slotWidth; word++) {
        this.#slots[slot * slotWidth + slotsAt + word] = slots[from + word] as number
      }
    }
  }
}
