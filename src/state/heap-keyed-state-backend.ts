import { assert } from '../errors.ts'
import { type KeyBatch, KeyEntry, type KeyedStateBackend } from './keyed-state-backend.ts'

const initialCapacity = 1024
const loadFactorMax = 0.6

/**
 * Keyed state on the heap: open addressing with linear probing over the keys' own hashes.
 * A JS Map would need a string for each event only to look it up.
 */
export class HeapKeyedStateBackend implements KeyedStateBackend {
  #table: (KeyEntry | undefined)[] = new Array(initialCapacity).fill(undefined)
  /** The hash by slot: most probes end here, without touching the entry. */
  #hashes = new Int32Array(initialCapacity)
  #size = 0
  touched = 0

  get size(): number {
    return this.#size
  }

  find(arena: Uint8Array, start: number, end: number, hash: number): KeyEntry | undefined {
    const mask = this.#table.length - 1
    for (let slot = spread(hash | 0) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#table[slot]
      if (entry === undefined) return undefined
      if (this.#hashes[slot] === (hash | 0) && sameKey(entry.key, arena, start, end)) return entry
    }
  }

  findAll(keys: KeyBatch, from: number, to: number, entries: (KeyEntry | undefined)[]): void {
    const { hashes, arenas, keyStarts, keyEnds } = keys
    const table = this.#table
    const mask = table.length - 1
    let touched = 0
    for (let index = from; index < to; index++) {
      const hash = hashes[index] as number
      let slot = spread(hash) & mask
      let entry = table[slot]
      while (entry !== undefined && this.#hashes[slot] !== hash) {
        slot = (slot + 1) & mask
        entry = table[slot]
      }
      entries[index - from] = entry
    }
    for (let index = 0; index < to - from; index++) {
      const entry = entries[index]
      if (entry !== undefined) touched += entry.key.length
    }
    this.touched = touched
    for (let index = from; index < to; index++) {
      const entry = entries[index - from]
      if (entry === undefined) continue
      const arena = arenas[index] as Buffer
      const start = keyStarts[index] as number
      const end = keyEnds[index] as number
      if (sameKey(entry.key, arena, start, end)) continue
      entries[index - from] = this.find(arena, start, end, hashes[index] as number)
    }
  }

  findOrCreate(arena: Buffer, start: number, end: number, hash: number): KeyEntry {
    const found = this.find(arena, start, end, hash)
    if (found !== undefined) return found
    const entry = new KeyEntry(arena.toString('latin1', start, end), hash)
    this.#size++
    if (this.#size > this.#table.length * loadFactorMax) this.#grow()
    this.#insert(entry)
    return entry
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

  /** Moves later entries of the probe sequence back, so that no tombstones are needed. */
  #closeGap(removed: number, mask: number): void {
    let gap = removed
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#table[slot]
      if (entry === undefined) break
      const home = spread(entry.hash) & mask
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue
      this.#table[gap] = entry
      this.#hashes[gap] = this.#hashes[slot] as number
      gap = slot
    }
    this.#table[gap] = undefined
  }

  #insert(entry: KeyEntry): void {
    const mask = this.#table.length - 1
    let slot = spread(entry.hash) & mask
    while (this.#table[slot] !== undefined) slot = (slot + 1) & mask
    this.#table[slot] = entry
    this.#hashes[slot] = entry.hash
  }

  #grow(): void {
    const old = this.#table
    this.#table = new Array(old.length * 2).fill(undefined)
    this.#hashes = new Int32Array(old.length * 2)
    for (const entry of old) if (entry !== undefined) this.#insert(entry)
  }
}

/** Low bits decide the slot and key groups take hashes modulo a power of two: mix once more. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15)
}

function sameKey(key: string, arena: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let index = 0; index < key.length; index++) {
    if (key.charCodeAt(index) !== arena[start + index]) return false
  }
  return true
}
