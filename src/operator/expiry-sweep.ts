import type { PackedEntry, PackedKeyedStateBackend } from '../state/packed-keyed-state-backend.ts'
import type { StretchEntries } from './stretch-entries.ts'

/**
 * Finds keys of which something has run out where nothing comes of that but room: it looks at all
 * of them once in the shortest such time limit, one behind the other in memory, a few each time.
 * A timer for each would cost more than all that it gives back.
 */
export class ExpirySweep {
  readonly #backend: PackedKeyedStateBackend
  readonly #visit: (entry: PackedEntry, watermark: number) => void
  /** How long a whole sweep takes, ms of event time; infinity: there is nothing to find. */
  periodMs = Infinity
  #sweptUntil = -Infinity

  /** @param visit sees to an entry that is due, and says when it is the next time, or forgets it */
  constructor(
    backend: PackedKeyedStateBackend,
    visit: (entry: PackedEntry, watermark: number) => void,
  ) {
    this.#backend = backend
    this.#visit = visit
  }

  /** @param entries a place to work in */
  advanceTo(watermark: number, entries: StretchEntries): void {
    if (this.periodMs === Infinity || watermark <= this.#sweptUntil) return
    const share = Math.min(1, (watermark - this.#sweptUntil) / this.periodMs)
    this.#sweptUntil = watermark
    let left = Math.ceil(share * this.#backend.records)
    while (left > 0) {
      const swept = this.#backend.sweep(left, watermark, entries.items)
      left = swept.left
      entries.touch(swept.due)
      this.#backend.touchPlaces(entries.items as PackedEntry[], swept.due)
      for (let index = 0; index < swept.due; index++) {
        this.#visit(entries.items[index] as PackedEntry, watermark)
      }
    }
  }
}
