import type { NumberEntry } from './keyed-state-backend.ts'
import type { PackedKeyedStateBackend } from './packed-keyed-state-backend.ts'

/** A view of a key's record. */
export class PackedEntry implements NumberEntry {
  readonly #backend: PackedKeyedStateBackend
  record: number
  /** Only where there are checkpoints. */
  readonly frozen = false

  constructor(backend: PackedKeyedStateBackend, record: number) {
    this.#backend = backend
    this.record = record
  }

  moveTo(record: number): this {
    this.record = record
    return this
  }

  /** A view that stays at the record. */
  kept(): PackedEntry {
    return new PackedEntry(this.#backend, this.record)
  }

  get removed(): boolean {
    return !this.#backend.isUsed(this.record)
  }

  get key(): string {
    return this.#backend.keyOf(this.record)
  }

  get(slot: number): number {
    return this.#backend.stateOf(this.record, slot)
  }

  set(slot: number, state: number): void {
    this.#backend.setState(this.record, slot, state)
  }

  /** Event time of the earliest timer that is registered for the key, epoch ms; infinity: none. */
  get timerAt(): number {
    return this.#backend.timerAt(this.record)
  }

  set timerAt(timestamp: number) {
    this.#backend.setTimerAt(this.record, timestamp)
  }

  hasTimerBy(timestamp: number): boolean {
    return this.#backend.timerAt(this.record) <= timestamp
  }

  /** Event time from which on a sweep looks at it, epoch ms; infinity: never. */
  get sweepAt(): number {
    return this.#backend.sweepAt(this.record)
  }

  set sweepAt(timestamp: number) {
    this.#backend.setSweepAt(this.record, timestamp)
  }
}
