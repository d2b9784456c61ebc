import { TocsinError } from '../errors.ts'
import type { Scheduler } from '../time/clock.ts'

/** Waits out a full disk: what found no space is tried again until there is some. */
export class SpaceWait {
  readonly #scheduler: Scheduler
  readonly #onStalled: ((failure: TocsinError, waitMs: number) => void) | undefined
  #stalled = 0

  /** @param onStalled told of what found no space, and when it is tried again */
  constructor(
    scheduler: Scheduler,
    onStalled: ((failure: TocsinError, waitMs: number) => void) | undefined,
  ) {
    this.#scheduler = scheduler
    this.#onStalled = onStalled
  }

  /** Whether something waits for space. */
  get isStalled(): boolean {
    return this.#stalled > 0
  }

  /**
   * What became of a write that failed is not known: the same one is written again.
   * @throws {TocsinError} all but STATE_DISK_FULL
   */
  async until(write: () => Promise<void>): Promise<void> {
    let isStalled = false
    try {
      for (let waitMs = 100; ; waitMs = Math.min(10_000, waitMs * 2)) {
        const failure = await failureOf(write)
        if (failure === undefined) return
        if (!isStalled) this.#stalled++
        isStalled = true
        this.#onStalled?.(failure, waitMs)
        await this.#scheduler.sleep(waitMs)
      }
    } finally {
      if (isStalled) this.#stalled--
    }
  }
}

async function failureOf(write: () => Promise<void>): Promise<TocsinError | undefined> {
  try {
    await write()
    return undefined
  } catch (failure) {
    if (failure instanceof TocsinError && failure.code === 'STATE_DISK_FULL') return failure
    throw failure
  }
}
