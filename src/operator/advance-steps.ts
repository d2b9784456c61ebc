import type { DiskKeyedStateBackend } from '../checkpoint/disk-keyed-state-backend.ts'
import type { ReleasedEvents } from '../time/event-time-sorter.ts'

/** Events whose keys are looked up together. */
export const stretchEvents = 128

/** Events ahead whose keys are fetched from the disk while others are processed. */
const fetchedEvents = 4096
/** They are asked for so many at once: each read that is handed over costs, however small it is. */
const eventsOfFetch = 2048

/** The work of an operator, once the keys that it needs are in memory. */
export interface AdvanceWork {
  /** What is to be processed. */
  readonly released: ReleasedEvents
  /** Processes the events `from .. to`. */
  processStretch(from: number, to: number): void
  /** Sees to the timers that are due at `watermark`, epoch ms, of keys in memory. */
  advanceDue(watermark: number): void
  /** Hands out what was found. */
  finish(): void
}

/**
 * Takes a keyed operator up to a watermark in steps: it goes on as far as keys are in memory, and says
 * what to wait for. So an operator never waits itself (D1).
 */
export class AdvanceSteps {
  readonly #disk: DiskKeyedStateBackend
  readonly #work: AdvanceWork
  #target = -Infinity
  #processed = 0
  #fetched = 0

  constructor(disk: DiskKeyedStateBackend, work: AdvanceWork) {
    this.#disk = disk
    this.#work = work
  }

  /** From now on `step` works up to `watermark`, epoch ms; what that releases has been released. */
  advanceTo(watermark: number): void {
    this.#target = watermark
  }

  /** @returns what to wait for before the next step; `null`: the work is done */
  step(): Promise<void> | null {
    const disk = this.#disk
    const loading = disk.loadWanted()
    if (loading !== null) return loading
    if (this.#target <= disk.watermark) return null
    const wait = this.#stepEvents() ?? this.#stepTimers()
    if (wait !== null) return wait
    this.#work.finish()
    disk.advanceWatermark(this.#target)
    return null
  }

  #stepEvents(): Promise<void> | null {
    const disk = this.#disk
    const { released } = this.#work
    while (this.#processed < released.count) {
      if (disk.isBehind) return disk.caughtUp()
      const from = this.#processed
      const to = Math.min(from + stretchEvents, released.count)
      const wait = disk.ask(released, from, to)
      this.#fetchAhead(to)
      // What will have to leave memory may do so while the disk is read.
      if (wait !== null) return Promise.all([wait, disk.trimAhead()]).then(() => undefined)
      this.#work.processStretch(from, to)
      this.#processed = to
      disk.trim()
    }
    released.clear()
    this.#processed = 0
    this.#fetched = 0
    return null
  }

  /** Reads of keys that are needed soon are under way while others are processed. */
  #fetchAhead(from: number): void {
    const { released } = this.#work
    const to = Math.min(from + fetchedEvents, released.count)
    this.#fetched = Math.max(this.#fetched, from)
    const rest = to - this.#fetched
    if (rest === 0 || (rest < eventsOfFetch && to < released.count)) return
    // What fails is thrown when the keys are waited for; until then it must not be "unhandled".
    this.#disk.ask(released, this.#fetched, to)?.catch(() => undefined)
    this.#fetched = to
  }

  #stepTimers(): Promise<void> | null {
    const disk = this.#disk
    for (;;) {
      const wait = disk.isBehind ? disk.caughtUp() : disk.askDue(this.#target)
      if (wait !== null) return wait
      const brought = disk.bringInDue()
      this.#work.advanceDue(this.#target)
      disk.trim()
      if (brought === 0) return null
    }
  }
}
