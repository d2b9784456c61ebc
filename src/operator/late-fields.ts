import { valueAt } from '../expression/value.ts'
import type { EventText } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { type Event, inlineFields, type TakenEvent, textOf } from '../stream/event.ts'

/** A field that only alerts read. */
export interface LateField {
  readonly path: FieldPath
  /** Whether its value is that of the event as alerts show it, with what is redacted replaced. */
  readonly isShown: boolean
}

/**
 * Fields that only alerts read. Most events never see one, so these slots are filled from the
 * event's text when a match comes out, and not carried from arrival on.
 */
export class LateFields {
  readonly #fields: readonly LateField[]
  readonly #anyShown: boolean
  /** How many of `Event.moreFields` are carried. */
  readonly #carried: number

  /**
   * @param carried number of slots that events carry from arrival on
   * @param fields those of the slots from `firstLateSlot(carried)` on
   */
  constructor(carried: number, fields: readonly LateField[]) {
    this.#carried = Math.max(carried - inlineFields, 0)
    this.#fields = fields
    this.#anyShown = fields.some(({ isShown }) => isShown)
  }

  /** Completes all events of a match; `eventText` gives them as alerts show them. */
  complete(taken: TakenEvent, eventText: EventText): void {
    if (this.#fields.length === 0) return
    for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
      this.#completeEvent(link.event, eventText)
    }
  }

  #completeEvent(event: Event, eventText: EventText): void {
    const { moreFields, raw } = event
    if (moreFields.length > this.#carried) return
    const value: unknown = JSON.parse(textOf(raw))
    const shown: unknown = this.#anyShown ? JSON.parse(eventText(event)) : null
    const fields = moreFields.slice()
    for (const { path, isShown } of this.#fields)
      fields.push(valueAt(isShown ? shown : value, path))
    event.moreFields = fields
  }
}

/** The first slot of fields that only alerts read: behind all that an event holds itself. */
export function firstLateSlot(carried: number): number {
  return Math.max(carried, inlineFields)
}
