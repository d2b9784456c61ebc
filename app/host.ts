import type { Clock, Scheduler } from '../src/index.ts'

/** The wall clock of this machine. */
export const hostClock: Clock = { now: () => Date.now() }

/** Timers of this machine. */
export const hostScheduler: Scheduler = {
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
}
