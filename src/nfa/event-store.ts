import { type ArrivedEvent, type Event, inlineFields, type Split } from '../stream/event.ts'
import { twiceAsLong } from '../stream/growing-array.ts'
import { type TextOwner, TextStore } from './text-store.ts'

/**
 * Numbers of an event: references, time, offset, split, address and length of its text, and the
 * first two field slots where they hold numbers.
 */
const eventWidth = 8
/** Values of an event: the first two field slots, and the rest as an array. */
const valueWidth = 3
/** Stands for a number among the values: as an object each would cost the garbage collector. */
const isNumber = Symbol('number')

/** The events that partial matches have taken, counted by reference. */
export class EventStore implements TextOwner {
  #numbers = new Float64Array(eventWidth * 1024)
  readonly #values: unknown[] = []
  readonly #texts = new TextStore(this)
  readonly #splits: Split[] = []
  readonly #splitIndexes = new Map<Split, number>()
  readonly #free: number[] = []
  #count = 0

  /** Stores an event, with one reference. */
  add(event: ArrivedEvent): number {
    const id = this.#free.pop() ?? this.#grow()
    const { text, textStart, textEnd } = event
    const at = id * eventWidth
    this.#numbers[at] = 1
    this.#numbers[at + 1] = event.timestamp
    this.#numbers[at + 2] = event.offset
    this.#numbers[at + 3] = this.#indexOf(event.split)
    this.#numbers[at + 4] = this.#texts.add(id, text.bytes, textStart, textEnd)
    this.#numbers[at + 5] = textEnd - textStart
    const value = id * valueWidth
    const { f0, f1 } = event
    if (typeof f0 === 'number') this.#numbers[at + 6] = f0
    if (typeof f1 === 'number') this.#numbers[at + 7] = f1
    this.#values[value] = typeof f0 === 'number' ? isNumber : f0
    this.#values[value + 1] = typeof f1 === 'number' ? isNumber : f1
    this.#values[value + 2] = event.moreFields
    return id
  }

  retain(id: number): void {
    const at = id * eventWidth
    this.#numbers[at] = (this.#numbers[at] as number) + 1
  }

  release(id: number): void {
    const at = id * eventWidth
    const references = (this.#numbers[at] as number) - 1
    this.#numbers[at] = references
    if (references > 0) return
    const address = this.#numbers[at + 4] as number
    this.#numbers[at + 4] = -1
    this.#texts.free(address, this.#numbers[at + 5] as number)
    this.#free.push(id)
  }

  /** What is stored no longer needs the batches that it came from. */
  flush(): void {
    this.#texts.flush()
  }

  addressOf(id: number): number {
    return this.#numbers[id * eventWidth + 4] as number
  }

  lengthOf(id: number): number {
    return this.#numbers[id * eventWidth + 5] as number
  }

  moved(id: number, address: number): void {
    this.#numbers[id * eventWidth + 4] = address
  }

  timestampOf(id: number): number {
    return this.#numbers[id * eventWidth + 1] as number
  }

  offsetOf(id: number): number {
    return this.#numbers[id * eventWidth + 2] as number
  }

  splitOf(id: number): Split {
    return this.#splits[this.#numbers[id * eventWidth + 3] as number] as Split
  }

  textOf(id: number): string {
    const at = id * eventWidth
    return this.#texts.textAt(this.#numbers[at + 4] as number, this.#numbers[at + 5] as number)
  }

  f0Of(id: number): unknown {
    const value = this.#values[id * valueWidth]
    return typeof value === 'symbol' ? this.#numbers[id * eventWidth + 6] : value
  }

  f1Of(id: number): unknown {
    const value = this.#values[id * valueWidth + 1]
    return typeof value === 'symbol' ? this.#numbers[id * eventWidth + 7] : value
  }

  moreOf(id: number): readonly unknown[] {
    return this.#values[id * valueWidth + 2] as readonly unknown[]
  }

  /** A copy that outlives the stored event. */
  eventOf(id: number): Event {
    return new EventCopy(
      this.timestampOf(id),
      this.splitOf(id),
      this.offsetOf(id),
      this.f0Of(id),
      this.f1Of(id),
      this.moreOf(id),
      this.textOf(id),
    )
  }

  /** Reads what conditions will read; the result means nothing. @see MatchStore.touch */
  touch(ids: Int32Array, count: number): number {
    const numbers = this.#numbers
    const values = this.#values
    let touched = 0
    for (let index = 0; index < count; index++) {
      const at = (ids[index] as number) * eventWidth
      touched += (numbers[at] as number) + (numbers[at + eventWidth - 1] as number)
    }
    for (let index = 0; index < count; index++) {
      if (values[(ids[index] as number) * valueWidth] === undefined) touched++
    }
    return touched
  }

  #indexOf(split: Split): number {
    const known = this.#splitIndexes.get(split)
    if (known !== undefined) return known
    // One that was restored is an object of its own.
    const { stream, partition } = split
    const same = this.#splits.findIndex(
      (one) => one.stream === stream && one.partition === partition,
    )
    const index = same === -1 ? this.#splits.push(split) - 1 : same
    this.#splitIndexes.set(split, index)
    return index
  }

  #grow(): number {
    const id = this.#count++
    if (this.#count * eventWidth > this.#numbers.length) this.#numbers = twiceAsLong(this.#numbers)
    this.#values.push(undefined, undefined, undefined)
    return id
  }
}

/** An event of a match. */
class EventCopy implements Event {
  readonly timestamp: number
  readonly split: Split
  readonly offset: number
  readonly f0: unknown
  readonly f1: unknown
  readonly moreFields: readonly unknown[]
  lateFields?: readonly unknown[]
  readonly raw: string
  /** Predicates are asked of events as they come. */
  readonly predicates = 0
  readonly morePredicates: readonly number[] = noWords

  constructor(
    timestamp: number,
    split: Split,
    offset: number,
    f0: unknown,
    f1: unknown,
    moreFields: readonly unknown[],
    raw: string,
  ) {
    this.timestamp = timestamp
    this.split = split
    this.offset = offset
    this.f0 = f0
    this.f1 = f1
    this.moreFields = moreFields
    this.raw = raw
  }

  field(slot: number): unknown {
    if (slot < 0) return this.lateFields?.[-1 - slot]
    if (slot === 0) return this.f0
    return slot === 1 ? this.f1 : this.moreFields[slot - inlineFields]
  }
}

const noWords: readonly number[] = []
