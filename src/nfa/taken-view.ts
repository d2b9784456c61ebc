import { type Event, inlineFields, type Split, type TakenEvent } from '../stream/event.ts'
import type { MatchStore } from './match-store.ts'
import { none } from './nfa-state.ts'

/** What a partial match has taken as conditions read it: while it lives, and only what is asked for. */
export class TakenView implements TakenEvent {
  readonly #store: MatchStore
  #link: number
  /** Changes with each partial match that is looked at. */
  turn = 0

  constructor(store: MatchStore, link: number) {
    this.#store = store
    this.#link = link
  }

  /** Looks at another partial match: the same object serves all, so that none costs one. */
  moveTo(link: number): this {
    this.#link = link
    this.turn++
    return this
  }

  get event(): Event {
    return new StoredEvent(this.#store, this.#link)
  }

  get step(): number {
    return this.#store.stepOf(this.#link)
  }

  get ordinal(): number {
    return this.#store.ordinalOf(this.#link)
  }

  get previous(): TakenEvent | null {
    const previous = this.#store.previousOf(this.#link)
    return previous === none ? null : new TakenView(this.#store, previous)
  }

  lastOf(step: number): Event | undefined {
    const link = this.#store.lastOf(step, this.#link)
    return link === none ? undefined : new StoredEvent(this.#store, link)
  }

  lastFieldOf(step: number, slot: number): unknown {
    const link = this.#store.lastOf(step, this.#link)
    return link === none ? undefined : this.#store.fieldOf(link, slot)
  }

  countOf(step: number): number {
    return this.#store.countOf(step, this.#link)
  }
}

/** An event that was taken, likewise. */
class StoredEvent implements Event {
  readonly #store: MatchStore
  readonly #link: number

  constructor(store: MatchStore, link: number) {
    this.#store = store
    this.#link = link
  }

  get timestamp(): number {
    return this.#store.timestampOf(this.#link)
  }

  get split(): Split {
    return this.#store.splitOf(this.#link)
  }

  get offset(): number {
    return this.#store.offsetOf(this.#link)
  }

  /** Predicates are asked of events as they come, not of those that were taken. */
  get predicates(): number {
    return 0
  }

  get morePredicates(): readonly number[] {
    return noWords
  }

  get raw(): string {
    return this.#store.textOf(this.#link)
  }

  get f0(): unknown {
    return this.#store.fieldOf(this.#link, 0)
  }

  get f1(): unknown {
    return this.#store.fieldOf(this.#link, 1)
  }

  get moreFields(): readonly unknown[] {
    return this.#store.moreFieldsOf(this.#link)
  }

  field(slot: number): unknown {
    return slot < inlineFields
      ? this.#store.fieldOf(this.#link, slot)
      : this.moreFields[slot - inlineFields]
  }
}

const noWords: readonly number[] = []
