import type { Decoder } from '../decode/decoder.ts'
import { createScannerDecoder } from '../decode/json-scanner.ts'
import { assert } from '../errors.ts'
import { valueAt } from '../expression/value.ts'
import type { EventText } from '../stream/alert.ts'
import type { Column, FieldPath } from '../stream/column-batch.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

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
  /** Reads the fields that are not shown, as far as there were some when it was made. */
  #decoder: Decoder | null = null
  #decodedFields = 0

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
        if ((link.event.lateFields?.length ?? 0) < count) events.push(link.event)
      }
      if (events.length < batchEvents) continue
      this.#completeEvents(events, eventText)
      events = []
    }
    if (events.length > 0) this.#completeEvents(events, eventText)
  }

  #completeEvents(events: readonly Event[], eventText: EventText): void {
    const { columns, valid } = this.#decoderOfNow().decode(recordsOf(events))
    for (const [row, event] of events.entries()) {
      assert(valid[row] === 1, 'an event that was taken can be read')
      event.lateFields = this.#valuesOf(row, columns, event, eventText)
    }
  }

  #valuesOf(
    row: number,
    columns: readonly Column[],
    event: Event,
    eventText: EventText,
  ): readonly unknown[] {
    const values: unknown[] = []
    let shown: unknown
    let column = 0
    for (const { path, isShown } of this.#fields) {
      if (isShown) {
        shown ??= JSON.parse(eventText(event))
        values.push(valueAt(shown, path))
      } else values.push((columns[column++] as Column).value(row))
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
const newlinesAtEnd = '\n'.repeat(8)

/** The texts of events as records; positions are not told. */
function recordsOf(events: readonly Event[]): RecordBatch {
  const count = events.length
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  let text = ''
  for (const [row, { raw }] of events.entries()) {
    starts[row] = text.length
    text += raw
    ends[row] = text.length
    text += '\n'
  }
  const bytes = Buffer.from(text + newlinesAtEnd, 'latin1')
  return { split: anySplit, bytes, count, starts, ends, offsets: new Float64Array(0) }
}

const anySplit = { stream: '', partition: 0 }
