import { StreamExecutionEnvironment } from '../../src/api/stream-execution-environment.ts'
import type { RejectedEvent } from '../../src/operator/side-output.ts'
import { ManualClock, type Scheduler } from '../../src/time/clock.ts'

/** An environment whose clock moves only when it is slept on, and what it left out. */
export function manualEnvironment(now = 0) {
  const clock = new ManualClock(now)
  const scheduler: Scheduler = {
    async sleep(milliseconds) {
      // Others that wait go first: time passes only when nothing else happens.
      await Promise.resolve()
      clock.set(clock.now() + milliseconds)
    },
  }
  const rejected: RejectedEvent[] = []
  const env = new StreamExecutionEnvironment({
    clock,
    scheduler,
    onRejected: (event) => rejected.push(event),
  })
  return { env, clock, rejected }
}
