import { valueAt } from '../expression/value.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { type Event, inlineFields, type TakenEvent, textOf } from '../stream/event.ts'

/**
 * Fields that only alerts read. Most events never see one, so these slots are filled from the
 * event's text when a match comes out, and not carried from arrival on.
 */
export class LateFields {
  readonly #paths: readonly FieldPath[]
  /** How many of `Event.moreFields` are carried. */
  readonly #carried: number

  /**
   * @param carried number of slots that events carry from arrival on
   * @param paths the fields of the slots from `firstLateSlot(carried)` on
   */
  constructor(carried: number, paths: readonly FieldPath[]) {
    this.#carried = Math.max(carried - inlineFields, 0)
    this.#paths = paths
  }

  /** Completes all events of a match. */
  complete(taken: TakenEvent): void {
    if (this.#paths.length === 0) return
    for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
      this.#completeEvent(link.event)
    }
  }

  #completeEvent(event: Event): void {
    const { moreFields, raw } = event
    if (moreFields.length > this.#carried) return
    const value: unknown = JSON.parse(textOf(raw))
    const fields = moreFields.slice()
    for (const path of this.#paths) fields.push(valueAt(value, path))
    event.moreFields = fields
  }
}

/** The first slot of fields that only alerts read: behind all that an event holds itself. */
export function firstLateSlot(carried: number): number {
  return Math.max(carried, inlineFields)
}
