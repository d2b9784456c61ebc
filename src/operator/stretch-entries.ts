import type { MatchStore } from '../nfa/match-store.ts'
import { none } from '../nfa/nfa-state.ts'
import { HashFilter } from '../state/hash-filter.ts'
import type { EntryBackend, NumberEntry } from '../state/keyed-state-backend.ts'
import { PackedKeyedStateBackend } from '../state/packed-keyed-state-backend.ts'
import type { ReleasedEvents } from '../time/event-time-sorter.ts'
import { stretchEvents } from './advance-steps.ts'
import { stateOf } from './running-pattern.ts'

/**
 * The entries of a stretch of released events, or of one of due timers, looked up together. One key's
 * state lies anywhere in memory, and waiting for it is most of what an event costs: loads that do not
 * depend on each other overlap, where one event after the other would wait for each.
 */
export class StretchEntries {
  /** `undefined` where a key has none. */
  readonly items: (NumberEntry | undefined)[] = new Array(stretchEvents).fill(undefined)
  readonly #backend: EntryBackend<NumberEntry>
  readonly #packed: PackedKeyedStateBackend | null
  readonly #store: MatchStore
  readonly #released: ReleasedEvents
  readonly #states = new Int32Array(stretchEvents)
  /** Keys that have got an entry since those of the stretch were looked up. */
  readonly #created = new HashFilter(32 * stretchEvents)
  /** Keeps the look-ahead from being optimised away. */
  lookedAt = 0

  constructor(backend: EntryBackend<NumberEntry>, store: MatchStore, released: ReleasedEvents) {
    this.#backend = backend
    this.#packed = backend instanceof PackedKeyedStateBackend ? backend : null
    this.#store = store
    this.#released = released
  }

  /** Finds the entries of the events `from .. to`, and touches what each holds. */
  lookAhead(from: number, to: number): void {
    this.#backend.findAll(this.#released, from, to, this.items)
    this.#created.clear()
    if (this.#packed === null) this.touch(to - from)
    else this.lookedAt = this.#store.touch(this.#packed.foundStates, to - from)
  }

  /** Touches what each of the first `count` entries holds. */
  touch(count: number): void {
    const states = this.#states
    for (let index = 0; index < count; index++) {
      const entry = this.items[index]
      states[index] = entry === undefined ? none : stateOf(entry, 0)
    }
    this.lookedAt = this.#store.touch(states, count)
  }

  /** The entry of an event, whose place in the stretch is given too. */
  entryOf(event: number, place: number): NumberEntry | undefined {
    const entry = this.items[place]
    const mayBeNew =
      entry === undefined
        ? this.#created.mayHave(this.#released.hashes[event] as number)
        : entry.removed
    return mayBeNew ? this.#find(event) : entry
  }

  /** The entry of an event whose key has none. */
  create(event: number): NumberEntry {
    const { arenas, keyStarts, keyEnds, hashes } = this.#released
    const hash = hashes[event] as number
    this.#created.add(hash)
    return this.#backend.create(
      arenas[event] as Buffer,
      keyStarts[event] as number,
      keyEnds[event] as number,
      hash,
    )
  }

  #find(event: number): NumberEntry | undefined {
    const { arenas, keyStarts, keyEnds, hashes } = this.#released
    return this.#backend.find(
      arenas[event] as Buffer,
      keyStarts[event] as number,
      keyEnds[event] as number,
      hashes[event] as number,
    )
  }
}
