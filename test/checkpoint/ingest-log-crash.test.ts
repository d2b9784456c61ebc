import { describe, expect, it } from 'vitest'
import { watchedFiles } from '../harness/watched-files.ts'
import { crashEverywhere, machineWithFolder } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'
import { openLog, recordsOf, textsOf } from './ingest-log-records.ts'

describe('an ingest log that crashes', () => {
  const batches = Array.from({ length: 8 }, (_, i) => [`${i}a`, `${i}b with some length`])

  interface Run {
    /** What is known to be durable, and what may be: from the begin, in order. */
    acknowledged: readonly string[]
    appended: readonly string[]
  }

  /** Opens the log, compares it with what the runs before know, appends two groups and more. */
  async function work({ files }: SimulatedMachine, run: Run, faults: string[]): Promise<void> {
    const log = await openLog(files, { segmentBytes: 300 })
    const held = await textsOf(log, 0)
    const { acknowledged, appended } = run
    const fits = held.every((text, index) => text === appended[index])
    if (!fits || held.length < acknowledged.length) {
      faults.push(`acknowledged ${acknowledged}, appended ${appended}, but held ${held}`)
    }
    Object.assign(run, { acknowledged: held, appended: held })
    for (let batch = 0; batch < batches.length; batch += 2) {
      const pair = batches.slice(batch, batch + 2)
      run.appended = [...run.appended, ...pair.flat()]
      // Two that become durable together.
      await Promise.all(pair.map((texts) => log.append(recordsOf(texts))))
      run.acknowledged = run.appended
    }
    await log.close()
    const again = await textsOf(await openLog(files, { segmentBytes: 300 }), 0)
    if (again.join() !== run.appended.join()) faults.push(`at the end it holds ${again}`)
  }

  it.each([
    ['kill', 6],
    ['power', 40],
  ] as const)('at any operation keeps all that it had acknowledged: %s', async (crash, seeds) => {
    const faults: string[] = []
    const crashes = await crashEverywhere(crash, seeds, () => {
      const run: Run = { acknowledged: [], appended: [] }
      return (machine) => work(machine, run, faults)
    })
    expect(faults.slice(0, 5)).toEqual([])
    expect(crashes).toBeGreaterThan(seeds * 30)
  })

  it('holds after a power cut what it held when it was opened after a failed sync', async () => {
    const held: string[] = []
    for (let seed = 0; seed < 20; seed++) {
      const machine = await machineWithFolder(seed)
      const files = watchedFiles(machine.files)
      const log = await openLog(files)
      await log.append(recordsOf(['a']))
      files.watch = {
        before: (operation) => {
          if (operation === 'sync') machine.faults = { ioError: 1 }
        },
      }
      await expect(log.append(recordsOf(['b']))).rejects.toMatchObject({ code: 'STATE_IO' })
      machine.faults = {}
      const before = (await textsOf(await openLog(machine.files))).join()
      const after = (await textsOf(await openLog(machine.reopen().files))).join()
      held.push(`${before} ${after}`)
    }
    expect([...new Set(held)]).toEqual(['a,b a,b'])
  })

  it('keeps it, too, where the disk fails, the log is opened again, and then the power is cut', async () => {
    const faults: string[] = []
    for (let seed = 0; seed < 300; seed++) {
      const run: Run = { acknowledged: [], appended: [] }
      let machine = await machineWithFolder(seed)
      for (let time = 0; time < 4; time++) {
        machine.faults = { ioError: 0.03 }
        await work(machine, run, faults).catch((error) => expect(error.code).toBe('STATE_IO'))
        machine.faults = {}
        if (time % 2 === 1) machine = machine.reopen()
      }
      await work(machine, run, faults)
    }
    expect(faults.slice(0, 5)).toEqual([])
  })
})
