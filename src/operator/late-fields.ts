import type { Decoder } from '../decode/decoder.ts'
import { createScannerDecoder } from '../decode/json-scanner.ts'
import { valueAt } from '../expression/value.ts'
import type { EventText } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Event, TakenEvent } from '../stream/event.ts'

/** A field that only alerts read. */
export interface LateField {
  readonly path: FieldPath
  /** Whether its value is that of the event as alerts show it, with what is redacted replaced. */
  readonly isShown: boolean
}

/**
 * Fields that only alerts read. Most events never see one, so these slots are filled from the
 * event's text when a match comes out, and not carried from arrival on. They are the slots from -1
 * down, so that the fields that events carry may become more.
 */
export class LateFields {
  readonly #fields: readonly LateField[]
  /** Of as many fields as there were when it was made: one pass over the text costs less than an object. */
  #decoder: Decoder | null = null
  #decoded = 0
  #bytes = Buffer.alloc(1024)
  readonly #starts = Int32Array.of(0)
  readonly #ends = Int32Array.of(0)
  readonly #offsets = Float64Array.of(0)

  /** @param fields may become more */
  constructor(fields: readonly LateField[]) {
    this.#fields = fields
  }

  /** Completes all events of a match; `eventText` gives them as alerts show them. */
  complete(taken: TakenEvent, eventText: EventText): void {
    if (this.#fields.length === 0) return
    for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
      this.#completeEvent(link.event, eventText)
    }
  }

  #completeEvent(event: Event, eventText: EventText): void {
    const known = event.lateFields ?? noFields
    if (known.length === this.#fields.length) return
    const { columns } = this.#decode(event)
    let shown: unknown
    event.lateFields = this.#fields.map(({ path, isShown }, index) => {
      if (!isShown) return columns[index]?.value(0)
      shown ??= JSON.parse(eventText(event))
      return valueAt(shown, path)
    })
  }

  #decode({ raw, split }: Event) {
    if (this.#decoder === null || this.#decoded < this.#fields.length) {
      this.#decoder = createScannerDecoder({ fields: this.#fields.map(({ path }) => path) })
      this.#decoded = this.#fields.length
    }
    if (raw.length >= this.#bytes.length) this.#bytes = Buffer.alloc(2 * raw.length)
    const bytes = this.#bytes
    const end = bytes.write(raw, 'latin1')
    bytes[end] = newline
    this.#ends[0] = end
    const places = { starts: this.#starts, ends: this.#ends, offsets: this.#offsets }
    return this.#decoder.decode({ split, bytes, count: 1, ...places })
  }
}

/** The slot of the late field of this index. */
export function lateSlot(index: number): number {
  return -1 - index
}

const newline = 0x0a
const noFields: readonly unknown[] = []
