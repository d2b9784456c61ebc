import { expect, it } from 'vitest'
import { ManualClock, steadyClock } from '../../src/time/clock.ts'

it('stands still where its clock is set back, and then goes on with it', () => {
  const clock = new ManualClock()
  const steady = steadyClock(clock)
  const times = [100, 130, 30, 40, 39, 45, 1000].map((now) => {
    clock.set(now)
    return steady.now()
  })
  expect(times).toEqual([100, 130, 130, 140, 140, 146, 1101])
})
