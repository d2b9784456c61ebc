import { describe, expect, it } from 'vitest'
import { CheckpointCoordinator } from '../../src/checkpoint/checkpoint-coordinator.ts'
import { openCheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'

/** When checkpoints are taken, ms after the start, of a job that asks every 20 ms for 1.5 s. */
async function timesOfCheckpoints(keysChangeOften: () => boolean): Promise<number[]> {
  const { files, openStateStore, time } = await machineWithFolder()
  const directory = '/data/state'
  const store = await openCheckpointStore({ files, openStateStore, directory, scheduler: time })
  const clock = new ManualClock()
  const times: number[] = []
  const coordinator = new CheckpointCoordinator({
    store,
    outboxes: new Map(),
    clock,
    scheduler: time,
    intervalMs: 500,
    keysChangeOften,
    freeze: () => {
      times.push(clock.now())
      const nothing = async () => undefined
      return { job: null, operators: [], keep: nothing, complete: nothing }
    },
  })
  for (let now = 0; now <= 1500; now += 20) {
    clock.set(now)
    await coordinator.betweenBatches()
    await coordinator.close()
  }
  await store.close()
  return times
}

describe('a checkpoint coordinator', () => {
  it('takes the first checkpoint sooner where keys change often', async () => {
    expect(await timesOfCheckpoints(() => true)).toEqual([100, 600, 1100])
  })

  it('takes the first checkpoint after the interval where they do not', async () => {
    expect(await timesOfCheckpoints(() => false)).toEqual([500, 1000, 1500])
  })
})
