import { type MatchStore, none } from '../nfa/match-store.ts'
import { readNFAState, writeNFAState } from '../nfa/nfa-state-form.ts'
import type { NFAState } from '../nfa/partial-match.ts'
import type { ByteReader } from '../state/byte-reader.ts'
import type { ByteWriter } from '../state/byte-writer.ts'
import type { EntryFormat } from '../state/entry-format.ts'
import type { KeyEntry } from '../state/keyed-state-backend.ts'
import { isWaiting, type RunningPattern, timeLimitsMatter } from './running-pattern.ts'

/**
 * How a CepOperator's entries are written: the number of patterns with something open, then each
 * with its index and its state.
 */
export class CepEntryFormat implements EntryFormat {
  readonly #patterns: readonly RunningPattern[]
  readonly #store: MatchStore
  readonly #register: (entry: KeyEntry, timerAt: number | undefined) => void

  /** @param register sees to the timer of an entry that was read: see `EntryFormat.restored` */
  constructor(
    patterns: readonly RunningPattern[],
    store: MatchStore,
    register: (entry: KeyEntry, timerAt: number | undefined) => void,
  ) {
    this.#patterns = patterns
    this.#store = store
    this.#register = register
  }

  isEmpty(entry: KeyEntry): boolean {
    for (let index = 0; index < this.#patterns.length; index++) {
      if (stateOf(entry, index) !== none) return false
    }
    return true
  }

  write(entry: KeyEntry, out: ByteWriter): void {
    let open = 0
    for (let index = 0; index < this.#patterns.length; index++) {
      if (stateOf(entry, index) !== none) open++
    }
    out.uint(open)
    for (let index = 0; index < this.#patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state === none) continue
      out.uint(index)
      writeNFAState(state, this.#store, out)
    }
  }

  read(entry: KeyEntry, from: ByteReader): void {
    for (let open = from.uint(); open > 0; open--) {
      entry.set(from.uint(), readNFAState(from, this.#store))
    }
  }

  expiryOf(entry: KeyEntry): number {
    let expiry = -Infinity
    for (let index = 0; index < this.#patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state === none) continue
      const pattern = this.#patterns[index] as RunningPattern
      if (isWaiting(state) || timeLimitsMatter(pattern)) return Infinity
      expiry = Math.max(expiry, pattern.nfa.lastDeadline(state))
    }
    return expiry
  }

  restored(entry: KeyEntry, timerAt: number | undefined): void {
    this.#register(entry, timerAt)
  }

  free(entry: KeyEntry): void {
    for (let index = 0; index < this.#patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state === none) continue
      ;(this.#patterns[index] as RunningPattern).nfa.release(state)
      entry.set(index, none)
    }
  }

  heldBytes(): number {
    return this.#store.bytes
  }
}

/** What a pattern knows of a key. */
export function stateOf(entry: KeyEntry, index: number): NFAState {
  return (entry.get(index) ?? none) as NFAState
}
