import { ByteWriter } from '../state/byte-writer.ts'
import {
  ArrivedEvent,
  type Event,
  type EventBytes,
  inlineFields,
  type Split,
} from '../stream/event.ts'
import { twiceAsLong } from '../stream/growing-array.ts'
import { type TextOwner, TextStore } from './text-store.ts'

/** Doubles of an event: offset, ordinal; then four integers in two. Half a cache line in all. */
const eventWidth = 4
const offsetAt = 2
const ordinalAt = 3
/** The integers, by their place in the same bytes: the last two are of the text. */
const referencesAt = 8
const splitAt = 9
const lengthAt = 10
const addressAt = 11

/** What conditions read of an event: its links have that. */
export interface EventValues {
  readonly timestamp: number
  readonly f0: unknown
  readonly f1: unknown
}

/** The events that partial matches have taken, counted by reference. */
export class EventStore implements TextOwner {
  #doubles = new Float64Array(eventWidth * 1024)
  #integers = new Int32Array(this.#doubles.buffer)
  /** Field slots beyond the first two, as far as there are such. */
  readonly #more: (readonly unknown[])[] = []
  readonly #texts = new TextStore(this)
  readonly #splits: Split[] = []
  /** As `write` writes them. */
  readonly #splitForms: Buffer[] = []
  readonly #splitIndexes = new Map<Split, number>()
  #lastSplit: Split | null = null
  #lastSplitIndex = 0
  readonly #free: number[] = []
  #count = 0

  /** What events cost, roughly, bytes. */
  get bytes(): number {
    const events = this.#count - this.#free.length
    return events * 8 * eventWidth + this.#more.length * moreFieldsBytes + this.#texts.bytes
  }

  /** @see TextStore.spendRoom */
  spendRoom(): void {
    this.#texts.spendRoom()
  }

  /** Stores an event, with one reference. */
  add(event: ArrivedEvent, ordinal: number): number {
    const id = this.#free.pop() ?? this.#grow()
    const { text, textStart, textEnd, moreFields } = event
    const at = id * eventWidth
    this.#doubles[at + offsetAt] = event.offset
    this.#doubles[at + ordinalAt] = ordinal
    this.#integers[2 * at + referencesAt] = 1
    this.#integers[2 * at + splitAt] = this.#indexOf(event.split)
    this.#integers[2 * at + lengthAt] = textEnd - textStart
    this.#integers[2 * at + addressAt] = this.#texts.add(id, text.bytes, textStart, textEnd)
    if (moreFields.length > 0 || id < this.#more.length) this.#setMore(id, moreFields)
    return id
  }

  retain(id: number): void {
    const at = 2 * id * eventWidth + referencesAt
    this.#integers[at] = (this.#integers[at] as number) + 1
  }

  release(id: number): void {
    const at = id * eventWidth
    const references = (this.#integers[2 * at + referencesAt] as number) - 1
    this.#integers[2 * at + referencesAt] = references
    if (references > 0) return
    this.#texts.free(this.#addressOf(id), this.lengthOf(id))
    this.#free.push(id)
  }

  /** What is stored no longer needs the batches that it came from. */
  flush(): void {
    this.#texts.flush()
  }

  lengthOf(id: number): number {
    return this.#integers[2 * id * eventWidth + lengthAt] as number
  }

  moved(id: number, address: number): void {
    this.#integers[2 * id * eventWidth + addressAt] = address
  }

  offsetOf(id: number): number {
    return this.#doubles[id * eventWidth + offsetAt] as number
  }

  ordinalOf(id: number): number {
    return this.#doubles[id * eventWidth + ordinalAt] as number
  }

  splitOf(id: number): Split {
    return this.#splits[this.#integers[2 * id * eventWidth + splitAt] as number] as Split
  }

  textOf(id: number): string {
    return this.#texts.textAt(this.#addressOf(id), this.lengthOf(id))
  }

  moreOf(id: number): readonly unknown[] {
    return this.#more[id] ?? noValues
  }

  /** A copy that outlives the stored event. */
  eventOf(id: number, { timestamp, f0, f1 }: EventValues): Event {
    const more = this.moreOf(id)
    const raw = this.textOf(id)
    return new EventCopy(timestamp, this.splitOf(id), this.offsetOf(id), f0, f1, more, raw)
  }

  /** The event as it arrived, for as long as it is stored. @param predicates all that it had */
  arrivedEventOf(id: number, { timestamp, f0, f1 }: EventValues, predicates: number): ArrivedEvent {
    const fields = [f0, f1, ...this.moreOf(id)]
    const length = this.lengthOf(id)
    const text = new StoredText(this, id)
    const [split, offset] = [this.splitOf(id), this.offsetOf(id)]
    return new ArrivedEvent(timestamp, split, offset, predicates, noWords, fields, text, 0, length)
  }

  /** Writes the event as `nfa-state-bytes.ts` has it. */
  write(id: number, timestamp: number, f0: unknown, f1: unknown, out: ByteWriter): void {
    const at = id * eventWidth
    out.raw(this.#splitForms[this.#integers[2 * at + splitAt] as number] as Buffer)
    out.uint(this.offsetOf(id))
    out.double(timestamp)
    this.#texts.write(this.#addressOf(id), this.lengthOf(id), out)
    const more = this.moreOf(id)
    out.uint(inlineFields + more.length)
    out.value(f0)
    out.value(f1)
    for (const value of more) out.value(value)
  }

  /** Reads what letting go will need; the result means nothing. @see MatchStore.touch */
  touch(ids: Int32Array, count: number): number {
    const integers = this.#integers
    let touched = 0
    for (let index = 0; index < count; index++) {
      touched += integers[2 * (ids[index] as number) * eventWidth + referencesAt] as number
    }
    return touched
  }

  /** Reads ahead texts, likewise; the numbers of the events are lost. */
  touchTexts(ids: Int32Array, count: number): number {
    for (let index = 0; index < count; index++) {
      ids[index] = this.#addressOf(ids[index] as number)
    }
    return this.#texts.touch(ids, count)
  }

  #addressOf(id: number): number {
    return this.#integers[2 * id * eventWidth + addressAt] as number
  }

  #setMore(id: number, moreFields: readonly unknown[]): void {
    while (this.#more.length < id) this.#more.push(noValues)
    this.#more[id] = moreFields
  }

  #indexOf(split: Split): number {
    if (split !== this.#lastSplit) {
      this.#lastSplitIndex = this.#splitIndexes.get(split) ?? this.#addSplit(split)
      this.#lastSplit = split
    }
    return this.#lastSplitIndex
  }

  #addSplit(split: Split): number {
    // One that was restored is an object of its own.
    const { stream, partition } = split
    const same = this.#splits.findIndex(
      (one) => one.stream === stream && one.partition === partition,
    )
    const index = same === -1 ? this.#splits.push(split) - 1 : same
    this.#splitIndexes.set(split, index)
    if (same === -1) this.#splitForms.push(formOf(split))
    return index
  }

  #grow(): number {
    const id = this.#count++
    if (this.#count * eventWidth + offsetAt > this.#doubles.length) {
      this.#doubles = twiceAsLong(this.#doubles)
      this.#integers = new Int32Array(this.#doubles.buffer)
    }
    return id
  }
}

/** What the field slots beyond the first two cost, roughly. */
const moreFieldsBytes = 48

const noValues: readonly unknown[] = []

function formOf({ stream, partition }: Split): Buffer {
  const out = new ByteWriter()
  out.text(stream)
  out.uint(partition)
  return out.toBuffer()
}

/** The text of a stored event, read when somebody asks for it: hardly anybody does. */
class StoredText implements EventBytes {
  readonly #store: EventStore
  readonly #id: number

  constructor(store: EventStore, id: number) {
    this.#store = store
    this.#id = id
  }

  get bytes(): Buffer {
    return Buffer.from(this.#store.textOf(this.#id), 'latin1')
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
