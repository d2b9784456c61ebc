import { valueAt } from '../expression/value.ts'
import type { EventText } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { type Event, type TakenEvent, textOf } from '../stream/event.ts'

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
    const value: unknown = JSON.parse(textOf(event.raw))
    let shown: unknown
    event.lateFields = this.#fields.map(({ path, isShown }) => {
      if (!isShown) return valueAt(value, path)
      shown ??= JSON.parse(eventText(event))
      return valueAt(shown, path)
    })
  }
}

/** The slot of the late field of this index. */
export function lateSlot(index: number): number {
  return -1 - index
}

const noFields: readonly unknown[] = []
