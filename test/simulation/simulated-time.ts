import type { Clock, Scheduler } from '../../src/time/clock.ts'

/** Time that passes only when all that can be done now is done: to the next moment waited for. */
export class SimulatedTime implements Clock, Scheduler {
  #now: number
  /** By how much the clock shows another time than the one that waiting goes by, ms. */
  #set = 0
  readonly #sleepers: { readonly at: number; readonly wake: () => void }[] = []

  /** @param now epoch ms, default 0 */
  constructor(now = 0) {
    this.#now = now
  }

  now(): number {
    return this.#now + this.#set
  }

  /** Sets the clock forward or back, ms; who waits does not notice. */
  setClock(byMs: number): void {
    this.#set += byMs
  }

  sleep(milliseconds: number): Promise<void> {
    const at = this.#now + milliseconds
    // Behind those that wake at the same time.
    const later = this.#sleepers.findIndex((sleeper) => sleeper.at > at)
    return new Promise((wake) => {
      this.#sleepers.splice(later < 0 ? this.#sleepers.length : later, 0, { at, wake })
    })
  }

  /** Lets time pass until the work is done; fails where it waits for what no time brings. */
  async run<Result>(work: Promise<Result>): Promise<Result> {
    let done = false
    const finish = () => {
      done = true
    }
    work.then(finish, finish)
    for (;;) {
      // All that does not wait for time happens before the host's next turn.
      await new Promise((resolve) => setImmediate(resolve))
      if (done) return work
      const next = this.#sleepers.shift()
      if (next === undefined) throw new Error('the simulation waits for what will never happen')
      this.#now = next.at
      next.wake()
    }
  }
}
