import type { PackedEntry } from '../state/packed-entry.ts'
import type { PackedKeyedStateBackend } from '../state/packed-keyed-state-backend.ts'
import type { StretchEntries } from './stretch-entries.ts'

/**
 * How long what has run out is left alone, as a part of its time limit: most keys have another event
 * before that, which lets go of it.
 */
const restPart = 1 / 2

/**
 * Finds keys of which something has run out where nothing comes of that but room: it looks at all
 * of them again and again, one behind the other in memory, a few each time. What has run out is let
 * go of within the shortest such time limit, counted from when it did. A timer for each key would
 * cost more than all that it gives back.
 */
export class ExpirySweep {
  readonly #backend: PackedKeyedStateBackend
  readonly #visit: (entry: PackedEntry, watermark: number) => void
  /** The shortest time limit that runs out unseen, ms; infinity: there is none. */
  limitMs = Infinity
  #sweptUntil = -Infinity

  /** @param visit sees to an entry that is due, and says when it is the next time, or forgets it */
  constructor(
    backend: PackedKeyedStateBackend,
    visit: (entry: PackedEntry, watermark: number) => void,
  ) {
    this.#backend = backend
    this.#visit = visit
  }

  /** When an entry that has changed at `now` is to be looked at, epoch ms. */
  dueAfter(now: number): number {
    return now + this.limitMs * (1 + restPart)
  }

  /** @param entries a place to work in */
  advanceTo(watermark: number, entries: StretchEntries): void {
    if (this.limitMs === Infinity || watermark <= this.#sweptUntil) return
    const share = Math.min(1, (watermark - this.#sweptUntil) / (this.limitMs * (1 - restPart)))
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
