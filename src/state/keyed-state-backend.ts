/**
 * The state of one key under one keyed operator: slots by state descriptor (D4). `slots[i]` is
 * undefined where the key has no state of descriptor i.
 */
export class KeyEntry {
  /** The canonical key, one char a byte (`src/stream/key.ts`). */
  readonly key: string
  /** `hashKey` of the canonical key. */
  readonly hash: number
  readonly slots: unknown[] = [undefined]
  /** Event time of the earliest timer that is registered for the key; infinity: none. */
  timerAt = Infinity

  constructor(key: string, hash: number) {
    this.key = key
    this.hash = hash | 0
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
