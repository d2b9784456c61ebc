/**
 * The state of one key under one keyed operator: slots by state descriptor (D4). Slot i is
 * undefined where the key has no state of descriptor i.
 */
export class KeyEntry {
  /** The canonical key, one char a byte (`src/stream/key.ts`). */
  readonly key: string
  /** `hashKey` of the canonical key. */
  readonly hash: number
  /** Event time of the earliest timer that is registered for the key; infinity: none. */
  timerAt = Infinity
  /** Most operators have one slot: it needs no array, and so a key touches less memory. */
  #first: unknown
  #others: unknown[] | null = null

  constructor(key: string, hash: number) {
    this.key = key
    this.hash = hash | 0
  }

  get(slot: number): unknown {
    return slot === 0 ? this.#first : this.#others?.[slot - 1]
  }

  /** `undefined` clears the slot. */
  set(slot: number, value: unknown): void {
    if (slot === 0) {
      this.#first = value
      return
    }
    if (this.#others === null) {
      if (value === undefined) return
      this.#others = []
    }
    while (this.#others.length < slot) this.#others.push(undefined)
    this.#others[slot - 1] = value
  }

  /** Whether no slot holds anything. */
  isEmpty(): boolean {
    return (
      this.#first === undefined && (this.#others?.every((value) => value === undefined) ?? true)
    )
  }
}

/**
 * Keeps an entry for each key that has state. Keys come as canonical bytes with their hash, so
 * that looking one up makes no string.
 */
export interface KeyedStateBackend {
  /** Number of keys that have an entry. */
  readonly size: number
  find(arena: Uint8Array, start: number, end: number, hash: number): KeyEntry | undefined
  /** The entry of the key, made where there is none. */
  findOrCreate(arena: Buffer, start: number, end: number, hash: number): KeyEntry
  /** Forgets the key. */
  remove(entry: KeyEntry): void
  /** All entries, in no promised order. */
  entries(): Iterable<KeyEntry>
}
