import { MatchStore } from '../nfa/match-store.ts'
import type { NFAState } from '../nfa/nfa-state.ts'
import { none } from '../nfa/nfa-state.ts'
import { readNFAState, writeNFAState } from '../nfa/nfa-state-bytes.ts'
import { deserializeNFAState, serializeNFAState } from '../nfa/nfa-state-form.ts'
import { ByteReader } from '../state/byte-reader.ts'
import { ByteWriter } from '../state/byte-writer.ts'
import type { EntryFormat } from '../state/entry-format.ts'
import type { KeyEntry, NumberEntry } from '../state/keyed-state-backend.ts'
import type { JsonValue } from '../stream/alert.ts'
import { isOpen, type RunningPattern, stateOf } from './running-pattern.ts'

/**
 * How a CepOperator's entries are written: the number of patterns with something open, then each
 * with its index, the event time at which that runs out by itself, and its state.
 */
export class CepEntryFormat implements EntryFormat {
  readonly #patterns: readonly RunningPattern[]
  readonly #store: MatchStore
  #states = new Int32Array(0)
  /** Keeps the look-ahead from being optimised away. */
  lookedAt = 0
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
    return !isOpen(entry, this.#patterns)
  }

  touch(entries: readonly KeyEntry[], count: number): void {
    if (this.#states.length < count) this.#states = new Int32Array(count)
    for (let index = 0; index < count; index++) {
      this.#states[index] = stateOf(entries[index] as KeyEntry, 0)
    }
    this.lookedAt = this.#store.touchAll(this.#states, count)
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
      writeOpen(index, this.#expiryOf(index, state), out)
      writeNFAState(state, this.#store, out)
    }
  }

  read(entry: KeyEntry, from: ByteReader, watermark: number): void {
    for (let open = from.uint(); open > 0; open--) {
      const { index, expiresAt } = readOpen(from)
      const state = readNFAState(from, this.#store)
      // Another pattern may have its index by now.
      if (expiresAt <= watermark) this.#patterns[0]?.nfa.release(state)
      else entry.set(index, state)
    }
  }

  expiryOf(entry: NumberEntry): number {
    let expiry = -Infinity
    for (let index = 0; index < this.#patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state !== none) expiry = Math.max(expiry, this.#expiryOf(index, state))
    }
    return expiry
  }

  hasRunOut(entry: NumberEntry, watermark: number): boolean {
    return watermark === Infinity ? this.#runsOutAll(entry) : this.expiryOf(entry) <= watermark
  }

  #runsOutAll(entry: NumberEntry): boolean {
    for (let index = 0; index < this.#patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state !== none && !this.#runsOut(index, state)) return false
    }
    return true
  }

  #expiryOf(index: number, state: NFAState): number {
    const { nfa } = this.#patterns[index] as RunningPattern
    return this.#runsOut(index, state) ? nfa.lastDeadline(state) : Infinity
  }

  #runsOut(index: number, state: NFAState): boolean {
    const { nfa, limitsMatter } = this.#patterns[index] as RunningPattern
    if (limitsMatter || nfa.isWaiting(state)) return false
    return nfa.compiled.withinMs > 0 || nfa.lastDeadline(state) < Infinity
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

/** What `write` has written as plain JSON data, by pattern: for savepoints, and for other patterns. */
export function entryFormOf(content: Buffer): JsonValue {
  const store = new MatchStore()
  const from = new ByteReader(content)
  const forms: JsonValue[] = []
  for (let open = from.uint(); open > 0; open--) {
    const { index } = readOpen(from)
    forms.push([index, serializeNFAState(readNFAState(from, store), store)])
  }
  return forms
}

/** The same as `write` writes it. Nothing is said of when it runs out: that takes the patterns. */
export function entryContentOf(form: JsonValue): Buffer {
  const store = new MatchStore()
  const out = new ByteWriter()
  const forms = form as readonly [number, JsonValue][]
  out.uint(forms.length)
  for (const [index, state] of forms) {
    writeOpen(index, Infinity, out)
    writeNFAState(deserializeNFAState(state, store), store, out)
  }
  return out.toBuffer()
}

function writeOpen(index: number, expiresAt: number, out: ByteWriter): void {
  out.uint(2 * index + (expiresAt === Infinity ? 0 : 1))
  if (expiresAt !== Infinity) out.double(expiresAt)
}

function readOpen(from: ByteReader): { readonly index: number; readonly expiresAt: number } {
  const first = from.uint()
  return { index: first >> 1, expiresAt: first % 2 === 0 ? Infinity : from.double() }
}
