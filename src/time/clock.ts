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

/** Waiting as a port (D9). */
export interface Scheduler {
  /** Resolves after that many milliseconds of processing time; 0: once all others had their turn. */
  sleep(milliseconds: number): Promise<void>
}
