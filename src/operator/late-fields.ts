import type { Decoder } from '../decode/decoder.ts'
import { createScannerDecoder } from '../decode/json-scanner.ts'
import { assert } from '../errors.ts'
import { valueAt } from '../expression/value.ts'
import type { EventText } from '../stream/alert.ts'
import type { Column, FieldPath } from '../stream/column-batch.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { isFlat, PlainField } from './plain-field.ts'

/** A field that only alerts read. */
export interface LateField {
  readonly path: FieldPath
  /** Whether its value is that of the event as alerts show it, with what is redacted replaced. */
  readonly isShown: boolean
}

/** So many events are read together. */
const batchEvents = 1024

/**
 * Fields that only alerts read. Most events never see one, so these slots are filled from the
 * event's text when a match comes out, and not carried from arrival on. They are the slots from -1
 * down, so that the fields that events carry may become more.
 */
export class LateFields {
  readonly #fields: readonly LateField[]
  /** By slot; `null` where the field is to be read. As many as there were fields when they were made. */
  #plainFields: readonly (PlainField | null)[] = []
  /** Reads the fields that are not shown, as far as there were some when it was made. */
  #decoder: Decoder | null = null
  #decodedFields = 0
  /** Where the texts of events lie while they are read, and their places. */
  #bytes: Buffer = Buffer.alloc(0)
  readonly #starts = new Int32Array(batchEvents)
  readonly #ends = new Int32Array(batchEvents)

  /** @param fields may become more */
  constructor(fields: readonly LateField[]) {
    this.#fields = fields
  }

  /** Completes all events of some matches; `eventText` gives them as alerts show them. */
  complete(matches: readonly TakenEvent[], eventText: EventText): void {
    const count = this.#fields.length
    if (count === 0) return
    let events: Event[] = []
    for (const taken of matches) {
      for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
        const { event } = link
        if ((event.lateFields?.length ?? 0) === count || this.#completePlainly(event)) continue
        events.push(event)
        if (events.length < batchEvents) continue
        this.#completeEvents(events, eventText)
        events = []
      }
    }
    if (events.length > 0) this.#completeEvents(events, eventText)
  }

  /** Completes an event of which all fields are plain to see in its text. */
  #completePlainly(event: Event): boolean {
    const { raw } = event
    if (!isFlat(raw)) return false
    const fields = this.#plainFieldsOfNow()
    const values = new Array<unknown>(fields.length)
    for (let slot = 0; slot < fields.length; slot++) {
      const value = fields[slot]?.valueIn(raw)
      if (value === undefined) return false
      values[slot] = value
    }
    event.lateFields = values
    return true
  }

  #plainFieldsOfNow(): readonly (PlainField | null)[] {
    if (this.#plainFields.length !== this.#fields.length) {
      this.#plainFields = this.#fields.map(({ path: [name], path, isShown }) =>
        name === undefined || path.length > 1 || isShown ? null : PlainField.of(name),
      )
    }
    return this.#plainFields
  }

  #completeEvents(events: readonly Event[], eventText: EventText): void {
    const { columns, valid } = this.#decoderOfNow().decode(this.#recordsOf(events))
    for (let row = 0; row < events.length; row++) {
      assert(valid[row] === 1, 'an event that was taken can be read')
      const event = events[row] as Event
      event.lateFields = this.#valuesOf(row, columns, event, eventText)
    }
  }

  /** The texts of events as records, up to the next ones; positions are not told. */
  #recordsOf(events: readonly Event[]): RecordBatch {
    const starts = this.#starts
    const ends = this.#ends
    const count = events.length
    let at = 0
    for (let row = 0; row < count; row++) {
      const { raw } = events[row] as Event
      const needed = at + raw.length + newlinesAtEnd
      if (needed > this.#bytes.length) this.#grow(at, needed)
      starts[row] = at
      at += this.#bytes.write(raw, at, 'latin1')
      ends[row] = at
      this.#bytes[at++] = newline
    }
    this.#bytes.fill(newline, at, at + newlinesAtEnd - 1)
    return { split: anySplit, bytes: this.#bytes, count, starts, ends, offsets: noOffsets }
  }

  #grow(filled: number, needed: number): void {
    const longer = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length))
    this.#bytes.copy(longer, 0, 0, filled)
    this.#bytes = longer
  }

  #valuesOf(
    row: number,
    columns: readonly Column[],
    event: Event,
    eventText: EventText,
  ): readonly unknown[] {
    const fields = this.#fields
    const values = new Array<unknown>(fields.length)
    let shown: unknown
    let column = 0
    for (let slot = 0; slot < fields.length; slot++) {
      const { path, isShown } = fields[slot] as LateField
      if (isShown) {
        shown ??= JSON.parse(eventText(event))
        values[slot] = valueAt(shown, path)
      } else values[slot] = (columns[column++] as Column).value(row)
    }
    return values
  }

  #decoderOfNow(): Decoder {
    if (this.#decoder === null || this.#decodedFields !== this.#fields.length) {
      const fields = this.#fields.flatMap(({ path, isShown }) => (isShown ? [] : [path]))
      this.#decoder = createScannerDecoder({ fields })
      this.#decodedFields = this.#fields.length
    }
    return this.#decoder
  }
}

/** The slot of the late field of this index. */
export function lateSlot(index: number): number {
  return -1 - index
}

/** The scanner reads on to the next newline; after the last record it wants eight of them. */
const newlinesAtEnd = 8
const newline = 0x0a

const noOffsets = new Float64Array(0)
const anySplit = { stream: '', partition: 0 }
