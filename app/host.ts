import type { Clock, Scheduler } from '../src/index.ts'

/** The wall clock of this machine. */
export const hostClock: Clock = { now: () => Date.now() }

/** Timers of this machine. */
export const hostScheduler: Scheduler = {
  sleep: (milliseconds) =>
    new Promise((resolve) => {
      // A timer takes a millisecond at least.
      if (milliseconds === 0) setImmediate(resolve)
      else setTimeout(resolve, milliseconds)
    }),
}

/** Chance of this machine: what scatters in time, so that not all come back at once. */
export const hostRandom = (): number => Math.random()
