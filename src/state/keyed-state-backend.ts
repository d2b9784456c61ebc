/**
 * The state of one key under one keyed operator: slots by state descriptor (D4). Slot i is
 * undefined where the key has no state of descriptor i.
 */
export class KeyEntry {
  // Fields lie in memory as they stand here: those that every event reads come first, so that they
  // share a cache line with the beginning of the object.
  /** Most operators have one slot: it needs no array, and so a key touches less memory. */
  #first: unknown = undefined
  // Two small integers: a double that changes would be an object of its own for each key.
  #timerHigh = noTimer
  #timerLow = 0
  /** Bits of what the backend knows of it: one field, as there may be millions of keys. */
  #marks = 0
  #others: unknown[] | null = null
  /** `hashKey` of the canonical key. */
  readonly hash: number
  /** The canonical key, one char a byte (`src/stream/key.ts`). */
  readonly key: string

  constructor(key: string, hash: number) {
    this.hash = hash | 0
    this.key = key
  }

  /** Whether the backend has forgotten the key since. */
  get removed(): boolean {
    return (this.#marks & removedMark) !== 0
  }

  set removed(is: boolean) {
    this.#marks = is ? this.#marks | removedMark : this.#marks & ~removedMark
  }

  /** Whether it is among the changes that the next checkpoint takes. */
  get changed(): boolean {
    return (this.#marks & changedMark) !== 0
  }

  set changed(is: boolean) {
    this.#marks = is ? this.#marks | changedMark : this.#marks & ~changedMark
  }

  /** Whether it was looked up since the search for cold entries last passed it. */
  get referenced(): boolean {
    return (this.#marks & referencedMark) !== 0
  }

  set referenced(is: boolean) {
    this.#marks = is ? this.#marks | referencedMark : this.#marks & ~referencedMark
  }

  /** Whether the disk knows of `timerAt`. */
  get timerStored(): boolean {
    return (this.#marks & timerStoredMark) !== 0
  }

  set timerStored(is: boolean) {
    this.#marks = is ? this.#marks | timerStoredMark : this.#marks & ~timerStoredMark
  }

  /** Whether a checkpoint must take its state before the next change. */
  get frozen(): boolean {
    return (this.#marks & frozenMark) !== 0
  }

  set frozen(is: boolean) {
    this.#marks = is ? this.#marks | frozenMark : this.#marks & ~frozenMark
  }

  /** Event time of the earliest timer that is registered for the key, epoch ms; infinity: none. */
  get timerAt(): number {
    return this.#timerHigh === noTimer ? Infinity : this.#timerHigh * timerLowRange + this.#timerLow
  }

  set timerAt(timestamp: number) {
    this.#marks &= ~timerStoredMark
    this.#timerHigh = timestamp === Infinity ? noTimer : Math.floor(timestamp / timerLowRange)
    // The difference of two doubles is one, whatever its value: only so it is kept as an integer.
    this.#timerLow = timestamp === Infinity ? 0 : (timestamp - this.#timerHigh * timerLowRange) | 0
  }

  /** Whether a timer is registered for `timestamp` or before it; makes no double of its own. */
  hasTimerBy(timestamp: number): boolean {
    return this.#timerHigh * timerLowRange + this.#timerLow <= timestamp
  }

  kept(): this {
    return this
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
const removedMark = 1
const changedMark = 2
const referencedMark = 4
const frozenMark = 8
const timerStoredMark = 16

/** Canonical keys: key i is `arenas[i][keyStarts[i] .. keyEnds[i])`. */
export interface KeyBatch {
  readonly arenas: readonly Buffer[]
  readonly keyStarts: Int32Array
  readonly keyEnds: Int32Array
  readonly hashes: Int32Array
}

/** What an operator whose state is numbers sees of an entry: `KeyEntry` says what each means. */
export interface NumberEntry {
  readonly removed: boolean
  readonly frozen: boolean
  readonly key: string
  timerAt: number
  hasTimerBy(timestamp: number): boolean
  /** The entry, or a view of it that holds on. */
  kept(): NumberEntry
  get(slot: number): unknown
  set(slot: number, value: number): void
}

/**
 * Keeps an entry for each key that has state. Keys come as canonical bytes with their hash, so
 * that looking one up makes no string. Entries may be views that are used again: those that `findAll`
 * gave hold until it is called again, one that `find` or `create` gave until the next of them.
 */
export interface EntryBackend<Entry> {
  /** Number of keys that have an entry. */
  readonly size: number
  find(arena: Buffer, start: number, end: number, hash: number): Entry | undefined
  /** Puts the entries of the keys of released events `from .. to` into `entries`, from 0 on. */
  findAll(keys: KeyBatch, from: number, to: number, entries: (Entry | undefined)[]): void
  /** Reads ahead what removing these entries will need. */
  touchPlaces(entries: readonly (Entry | undefined)[], count: number): void
  /** The entry of a key that has none. */
  create(arena: Buffer, start: number, end: number, hash: number): Entry
  /** Forgets the key, whose slots hold nothing. */
  remove(entry: Entry): void
  /** All entries, in no promised order. */
  entries(): Iterable<Entry>
  /** Whether there are checkpoints: only then do the two below do something. */
  readonly tracksChanges: boolean
  /** To be called of an entry that is `frozen` before its slots change, in place or not. */
  beforeChange(entry: Entry): void
  /** Says that slots of the entry have changed, in place or not. */
  markChanged(entry: Entry): void
}

/** One whose entries are objects that stay, and hold anything. */
export interface KeyedStateBackend extends EntryBackend<KeyEntry> {
  /** The entry of the key, made where there is none. */
  findOrCreate(arena: Buffer, start: number, end: number, hash: number): KeyEntry
}
