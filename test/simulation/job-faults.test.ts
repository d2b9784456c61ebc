import { beforeAll, describe, expect, it } from 'vitest'
import { TocsinError } from '../../src/errors.ts'
import { machineWithFolder } from './crash-runs.ts'
import { durableJob, generatedPartitions, runDurableJob, shownAlerts } from './durable-job.ts'
import { Outside, runSimulatedJob } from './simulated-job.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

const partitions = generatedPartitions(11, 80)
let expected: readonly string[]

beforeAll(async () => {
  const machine = await machineWithFolder()
  await runDurableJob(machine, partitions)
  expected = await shownAlerts(machine)
})

describe('a job with a failing disk', () => {
  it('stops reading while there is no space, says so, and goes on', async () => {
    const machine = await machineWithFolder()
    let batches = 0
    let stalledAt: number | null = null
    const readWhileStalled: number[] = []
    await runDurableJob(machine, partitions, {
      onBatch: () => {
        if (++batches === 10) machine.faults = { diskFull: 1 }
      },
      onStalled: () => {
        // What was asked for before may still come: one batch of each split.
        if (stalledAt !== null) readWhileStalled.push(batches - stalledAt)
        stalledAt ??= batches
        if (readWhileStalled.length === 4) machine.faults = {}
      },
    })
    expect(readWhileStalled.length).toBe(4)
    expect(Math.max(...readWhileStalled)).toBeLessThanOrEqual(4)
    expect(readWhileStalled.at(-1)).toBe(readWhileStalled.at(-2))
    expect(await shownAlerts(machine)).toEqual(expected)
  })

  it('comes through when space is scarce', async () => {
    let stalls = 0
    for (let seed = 0; seed < 20; seed++) {
      const machine = await machineWithFolder(seed)
      const work = runDurableJob(machine, partitions, {
        onStalled: () => {
          stalls++
        },
        onBatch: () => {
          machine.faults = { diskFull: 0.1 }
        },
      })
      await work
      machine.faults = {}
      expect(await shownAlerts(machine), `seed ${seed}`).toEqual(expected)
    }
    expect(stalls).toBeGreaterThan(20)
  })

  it('loses and doubles nothing when it is started again after I/O errors', async () => {
    let failures = 0
    for (let seed = 0; seed < 30; seed++) {
      const machine = await machineWithFolder(seed)
      machine.faults = { ioError: 0.01 }
      for (;;) {
        const failure = await runDurableJob(machine, partitions).then(
          () => null,
          (error: unknown) => error,
        )
        if (failure === null) break
        if (!(failure instanceof TocsinError)) throw failure
        expect(failure.code).toBe('STATE_IO')
        failures++
      }
      machine.faults = {}
      expect(await shownAlerts(machine), `seed ${seed}`).toEqual(expected)
    }
    expect(failures).toBeGreaterThan(10)
  }, 60_000)

  it.each([-86_400_000, 86_400_000])(
    'goes on showing alerts when the clock is set by %i ms',
    async (byMs) => {
      const machine = await machineWithFolder()
      machine.time.setClock(1_767_225_600_000)
      const outside = new Outside()
      const job = durableJob(generatedPartitions(11, 500), ['broker', 'mailbox'])
      let batches = 0
      const shown: number[][] = []
      await runSimulatedJob(machine, job, outside, {
        onBatch: () => {
          batches++
          // The mailbox is away meanwhile: what waits for it is tried again all the same.
          machine.faults = { unreachable: batches > 60 && batches < 90 ? 1 : 0 }
          const { broker, mailbox } = outside
          const counts = [broker.documents.length, mailbox.documents.length]
          if (batches === 80) machine.time.setClock(byMs)
          if (batches === 120 || batches === 190) shown.push(counts)
        },
      })
      expect(batches).toBe(200)
      const [before, after] = shown as [number[], number[]]
      expect(after.map((count, sink) => count > before[sink]! + 10)).toEqual([true, true])
    },
  )

  it('refuses to start without its state where a sink has alerts of it', async () => {
    const machine = await machineWithFolder()
    await runDurableJob(machine, partitions)
    await machine.files.removeTree('/data/state')
    await expect(runDurableJob(machine, partitions)).rejects.toMatchObject({ code: 'SINK_AHEAD' })
    expect(await shownAlerts(machine)).toEqual(expected)
  })

  /** A machine on which the job was asked to stop half way. */
  async function stoppedMachine(seed = 1): Promise<SimulatedMachine> {
    const machine = await machineWithFolder(seed)
    let batches = 0
    await runDurableJob(machine, partitions, {
      onBatch: () => batches++,
      isStopped: () => batches >= 28,
    })
    return machine.reopen()
  }

  it('refuses to start where a bit of its state has changed, and has lost nothing', async () => {
    const codes = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const machine = await stoppedMachine(seed)
      machine.faults = { flippedBit: 0.3, flippedBitIn: '/state' }
      await runDurableJob(machine, partitions).catch((error) => codes.add(error.code))
      const mended = machine.reopen()
      mended.mend()
      await runDurableJob(mended, partitions)
      expect(await shownAlerts(mended), `seed ${seed}`).toEqual(expected)
    }
    expect([...codes].sort()).toEqual(['CHECKPOINT_CORRUPT', 'STATE_CORRUPT'])
  })

  it.each([
    ['the database', '/data/state/db', 'STATE_MISSING'],
    ['the mark of what the sink has', '/data/alerts.ndjson.commit', 'SINK_MARKER'],
  ])('refuses to start where %s is gone', async (_, path, code) => {
    const machine = await stoppedMachine()
    const before = await shownAlerts(machine)
    await machine.files.removeTree(path)
    await expect(runDurableJob(machine, partitions)).rejects.toMatchObject({ code })
    expect(await shownAlerts(machine)).toEqual(before)
  })

  it('goes on where the file with the number of its newest checkpoint is gone', async () => {
    const machine = await stoppedMachine()
    await machine.files.remove('/data/state/checkpoint')
    await runDurableJob(machine, partitions)
    expect(await shownAlerts(machine)).toEqual(expected)
  })
})
