/** The wall clock as a port (D9): tests and simulations bring their own. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #now: number

  /** @param now epoch ms, default 0 */
  constructor(now = 0) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  set(now: number): void {
    this.#now = now
  }
}

/**
 * A clock for how long things take: where the other one is set back it stands still, and then goes on
 * with it. What is due by it is not put off until the old time has come again.
 */
export function steadyClock(clock: Clock): Clock {
  let aheadMs = 0
  let last = -Infinity
  return {
    now() {
      const now = clock.now() + aheadMs
      if (now < last) aheadMs += last - now
      last = Math.max(last, now)
      return last
    },
  }
}

/** Waiting as a port (D9). */
export interface Scheduler {
  /** Resolves after that many milliseconds of processing time; 0: once all others had their turn. */
  sleep(milliseconds: number): Promise<void>
}
