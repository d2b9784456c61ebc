import { TocsinError } from '../errors.ts'
import type { KeyEntry, KeyedStateBackend } from './keyed-state-backend.ts'

/**
 * The key that an operator is working for, and the only way to its slots: an entry is made by the
 * first write and forgotten when its last slot is cleared.
 *
 * Every change of state passes `write`, in place or not, so that a backend with a disk below can
 * learn here which entries are dirty.
 */
export class CurrentKey {
  readonly #backend: KeyedStateBackend
  #entry: KeyEntry | undefined
  #arena: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #hash = 0
  #selected = false

  constructor(backend: KeyedStateBackend) {
    this.#backend = backend
  }

  /** The key's entry, if it has state. */
  get entry(): KeyEntry | undefined {
    return this.#entry
  }

  /** Number of keys that have state. */
  get size(): number {
    return this.#backend.size
  }

  /** The canonical key, one char a byte. */
  get text(): string {
    this.#demandKey()
    return this.#entry?.key ?? this.#arena.toString('latin1', this.#start, this.#end)
  }

  /** Turns to the key `arena[start .. end)`; the bytes must stay until `release`. */
  select(arena: Buffer, start: number, end: number, hash: number): void {
    this.#arena = arena
    this.#start = start
    this.#end = end
    this.#hash = hash
    this.#selected = true
    this.#entry = this.#backend.find(arena, start, end, hash)
    this.#thaw()
  }

  /** Turns to a key that has an entry. */
  selectEntry(entry: KeyEntry): void {
    this.#selected = true
    this.#entry = entry
    this.#thaw()
    // The key's bytes are needed only if the entry goes and comes again: not before `release`.
  }

  /** Leaves the key; one without state is forgotten. */
  release(): void {
    const entry = this.#entry
    this.#entry = undefined
    this.#selected = false
    if (entry !== undefined) this.#forgetIfEmpty(entry)
  }

  /** What slots hold may be changed in place before `write` tells of it. */
  #thaw(): void {
    if (this.#entry?.frozen) this.#backend.beforeChange(this.#entry)
  }

  #forgetIfEmpty(entry: KeyEntry): void {
    if (entry.isEmpty()) this.#backend.remove(entry)
  }

  /** @throws {TocsinError} PROGRAM_INVALID where no key is at hand */
  read(slot: number): unknown {
    this.#demandKey()
    return this.#entry?.get(slot)
  }

  /**
   * Sets a slot, also to the object that was changed in place; `undefined` clears it.
   * @throws {TocsinError} PROGRAM_INVALID where no key is at hand
   */
  write(slot: number, value: unknown): void {
    this.#demandKey()
    if (this.#entry === undefined && value === undefined) return
    this.#entry ??= this.#backend.findOrCreate(this.#arena, this.#start, this.#end, this.#hash)
    this.#entry.set(slot, value)
    this.#backend.markChanged(this.#entry)
  }

  entries(): Iterable<KeyEntry> {
    return this.#backend.entries()
  }

  #demandKey(): void {
    if (this.#selected) return
    throw new TocsinError(
      'PROGRAM_INVALID',
      'keyed state and timers belong to a key: use them in processElement and onTimer only',
    )
  }
}
