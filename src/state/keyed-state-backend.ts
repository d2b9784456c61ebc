/**
 * The state of one key under one keyed operator: slots by state descriptor (D4). Slot i is
 * undefined where the key has no state of descriptor i.
 */
export class KeyEntry {
  /** The canonical key, one char a byte (`src/stream/key.ts`). */
  readonly key: string
  /** `hashKey` of the canonical key. */
  readonly hash: number
  // Two small integers: a double that changes would be an object of its own for each key.
  #timerHigh = noTimer
  #timerLow = 0
  /** Whether the backend has forgotten the key since. */
  removed = false
  /** Most operators have one slot: it needs no array, and so a key touches less memory. */
  #first: unknown
  #others: unknown[] | null = null

  constructor(key: string, hash: number) {
    this.key = key
    this.hash = hash | 0
  }

  /** Event time of the earliest timer that is registered for the key, epoch ms; infinity: none. */
  get timerAt(): number {
    return this.#timerHigh === noTimer ? Infinity : this.#timerHigh * timerLowRange + this.#timerLow
  }

  set timerAt(timestamp: number) {
    this.#timerHigh = timestamp === Infinity ? noTimer : Math.floor(timestamp / timerLowRange)
    this.#timerLow = timestamp === Infinity ? 0 : timestamp - this.#timerHigh * timerLowRange
  }

  /** Whether a timer is registered for `timestamp` or before it; makes no double of its own. */
  hasTimerBy(timestamp: number): boolean {
    return this.#timerHigh * timerLowRange + this.#timerLow <= timestamp
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

const timerLowRange = 2 ** 20
const noTimer = 2 ** 30

/** Canonical keys: key i is `arenas[i][keyStarts[i] .. keyEnds[i])`. */
export interface KeyBatch {
  readonly arenas: readonly Uint8Array[]
  readonly keyStarts: Int32Array
  readonly keyEnds: Int32Array
  readonly hashes: Int32Array
}

/**
 * Keeps an entry for each key that has state. Keys come as canonical bytes with their hash, so
 * that looking one up makes no string.
 */
export interface KeyedStateBackend {
  /** Number of keys that have an entry. */
  readonly size: number
  find(arena: Uint8Array, start: number, end: number, hash: number): KeyEntry | undefined
  /** Puts the entries of the keys of released events `from .. to` into `entries`, from 0 on. */
  findAll(keys: KeyBatch, from: number, to: number, entries: (KeyEntry | undefined)[]): void
  /** The entry of the key, made where there is none. */
  findOrCreate(arena: Buffer, start: number, end: number, hash: number): KeyEntry
  /** The entry of a key that has none. */
  create(arena: Buffer, start: number, end: number, hash: number): KeyEntry
  /** Forgets the key. */
  remove(entry: KeyEntry): void
  /** All entries, in no promised order. */
  entries(): Iterable<KeyEntry>
}
