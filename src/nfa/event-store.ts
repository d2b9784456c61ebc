import {
  type ArrivedEvent,
  type Event,
  eventOf,
  inlineFields,
  type Split,
} from '../stream/event.ts'
import { TextStore } from './text-store.ts'

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
export class EventStore {
  #numbers = new Float64Array(eventWidth * 1024)
  readonly #values: unknown[] = []
  readonly #texts = new TextStore()
  readonly #splits: Split[] = []
  readonly #free: number[] = []
  #count = 0
  readonly #fields: unknown[] = []

  /** Stores an event, with one reference. */
  add(event: ArrivedEvent): number {
    const id = this.#free.pop() ?? this.#grow()
    const { text, textStart, textEnd } = event
    const at = id * eventWidth
    this.#numbers[at] = 1
    this.#numbers[at + 1] = event.timestamp
    this.#numbers[at + 2] = event.offset
    this.#numbers[at + 3] = this.#indexOf(event.split)
    this.#numbers[at + 4] = this.#texts.add(text.bytes, textStart, textEnd)
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
    this.#texts.free(this.#numbers[at + 4] as number, this.#numbers[at + 5] as number)
    this.#free.push(id)
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
    return value === isNumber ? this.#numbers[id * eventWidth + 6] : value
  }

  f1Of(id: number): unknown {
    const value = this.#values[id * valueWidth + 1]
    return value === isNumber ? this.#numbers[id * eventWidth + 7] : value
  }

  moreOf(id: number): readonly unknown[] {
    return this.#values[id * valueWidth + 2] as readonly unknown[]
  }

  /** A copy that outlives the stored event. */
  eventOf(id: number): Event {
    const fields = this.#fields
    fields.length = inlineFields
    fields[0] = this.f0Of(id)
    fields[1] = this.f1Of(id)
    for (const field of this.moreOf(id)) fields.push(field)
    const timestamp = this.timestampOf(id)
    return eventOf(timestamp, this.splitOf(id), this.offsetOf(id), 0, [], fields, this.textOf(id))
  }

  touch(id: number): number {
    return (this.#numbers[id * eventWidth] as number) + (this.f0Of(id) === undefined ? 1 : 0)
  }

  #indexOf(split: Split): number {
    const index = this.#splits.indexOf(split)
    return index === -1 ? this.#splits.push(split) - 1 : index
  }

  #grow(): number {
    const id = this.#count++
    if (this.#count * eventWidth > this.#numbers.length) this.#numbers = grown(this.#numbers)
    this.#values.push(undefined, undefined, undefined)
    return id
  }
}

/** Twice as long, with the same beginning. */
export function grown(array: Float64Array): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(array.length * 2)
  longer.set(array)
  return longer
}
