import { valueAt } from '../expression/value.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Event, TakenEvent } from '../stream/event.ts'

/**
 * Fields that only alerts read. Most events never see one, so these slots are filled from the
 * event's text when a match comes out, and not carried from arrival on.
 */
export class LateFields {
  readonly #paths: readonly FieldPath[]
  readonly #carried: number

  /**
   * @param carried number of slots that events carry from arrival on
   * @param paths the field of each slot behind those
   */
  constructor(carried: number, paths: readonly FieldPath[]) {
    this.#carried = carried
    this.#paths = paths
  }

  /** Completes all events of a match. */
  complete(taken: TakenEvent): void {
    if (this.#paths.length === 0) return
    for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
      this.#completeEvent(link.event)
    }
  }

  #completeEvent({ fields, raw }: Event): void {
    if (fields.length > this.#carried) return
    const event: unknown = JSON.parse(Buffer.from(raw, 'latin1').toString('utf8'))
    // The slots behind those of arrival are this class's own.
    const slots = fields as unknown[]
    for (const path of this.#paths) slots.push(valueAt(event, path))
  }
}
