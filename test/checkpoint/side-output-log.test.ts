import { describe, expect, it } from 'vitest'
import {
  openSideOutputLog,
  type SideOutputLog,
  type SideOutputLogOptions,
} from '../../src/checkpoint/side-output-log.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'

const directory = '/data/side-output'
const day = 86_400_000

async function openOn(machine: SimulatedMachine, more: Partial<SideOutputLogOptions> = {}) {
  const { files, time } = machine
  return await time.run(openSideOutputLog({ files, directory, clock: time, ...more }))
}

async function segmentsOf({ files }: SimulatedMachine): Promise<(readonly [string, string])[]> {
  const names = (await files.list(directory)).filter((name) => name.endsWith('.ndjson'))
  return await Promise.all(
    names.map(
      async (name) => [name, String(await files.readFile(`${directory}/${name}`))] as const,
    ),
  )
}

async function pass(machine: SimulatedMachine, milliseconds: number): Promise<void> {
  await machine.time.run(machine.time.sleep(milliseconds))
}

async function flush({ time }: SimulatedMachine, log: SideOutputLog): Promise<void> {
  await time.run(log.flush())
}

describe('a side output log', () => {
  it('parts its rows by day and by size, and by process', async () => {
    const machine = await machineWithFolder()
    const log = await openOn(machine, { segmentBytes: 8 })
    for (const row of ['one', 'two', 'three']) log.append('late', row)
    await pass(machine, day)
    log.append('late', 'next day')
    await flush(machine, log)
    await machine.time.run(log.close())
    const next = await openOn(machine)
    next.append('late', 'next process')
    await flush(machine, next)
    expect(await segmentsOf(machine)).toEqual([
      ['0000000001-0.ndjson', 'one\ntwo\n'],
      ['0000000002-0.ndjson', 'three\n'],
      [`0000000003-${day}.ndjson`, 'next day\n'],
      [`0000000004-${day}.ndjson`, 'next process\n'],
    ])
  })

  it('removes segments past their retention, after it has told of them', async () => {
    const machine = await machineWithFolder()
    const first = await openOn(machine)
    first.append('late', 'old')
    await flush(machine, first)
    const told: string[] = []
    const options = {
      retentionMs: 2 * day,
      beforeRemoval: async (path: string) => {
        told.push(String(await machine.files.readFile(path)))
      },
    }
    await pass(machine, 3 * day - 1)
    const log = await openOn(machine, options)
    log.append('late', 'new')
    await flush(machine, log)
    const before = (await segmentsOf(machine)).map(([, text]) => text)
    await pass(machine, 1)
    // A new segment begins: what is past its time then goes.
    log.append('late', 'newer')
    await flush(machine, log)
    const after = (await segmentsOf(machine)).map(([, text]) => text)
    expect({ before, told, after }).toEqual({
      before: ['old\n', 'new\n'],
      told: ['old\n'],
      after: ['new\n', 'newer\n'],
    })
  })

  it('counts what its cap does not let in, and has a rest for what is undelivered', async () => {
    const machine = await machineWithFolder()
    const full: string[] = []
    const log = await openOn(machine, { capBytes: 100, onFull: (kind) => full.push(kind) })
    const row = '123456789'
    const kept = Array.from({ length: 12 }, () => log.append('late', row))
    const undelivered = [1, 2].map(() => log.append('undelivered', row))
    await flush(machine, log)
    expect({ kept: kept.filter(Boolean).length, undelivered, full }).toEqual({
      kept: 9,
      undelivered: [true, false],
      full: ['late', 'undelivered'],
    })
    expect([...log.notKept]).toEqual([
      ['late', 3],
      ['undelivered', 1],
    ])
    // The cap counts what earlier processes have left.
    const next = await openOn(machine, { capBytes: 100 })
    expect([next.bytes, next.append('dead_letter', row)]).toEqual([100, false])
  })

  it('writes again what the disk did not take, or took and dropped', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = await machineWithFolder(seed)
      const log = await openOn(machine, { segmentBytes: 30 })
      const rows = Array.from({ length: 12 }, (_, index) => `row ${index}`)
      let failures = 0
      for (const row of rows) {
        log.append('late', row)
        machine.faults = { diskFull: 0.3, ioError: 0.3 }
        await flush(machine, log).catch(({ code }) => {
          expect(code).toMatch(/^STATE_(DISK_FULL|IO)$/)
          failures++
        })
      }
      machine.faults = {}
      await flush(machine, log)
      const after = machine.reopen()
      const text = (await segmentsOf(after)).map(([, each]) => each).join('')
      expect([failures > 3, text]).toEqual([true, rows.map((row) => `${row}\n`).join('')])
    }
  })

  it('writes between batches what has waited for a second, and waits for what is much', async () => {
    const machine = await machineWithFolder()
    const log = await openOn(machine)
    log.append('late', 'x')
    expect(log.betweenBatches()).toBeUndefined()
    await pass(machine, 1000)
    expect(log.betweenBatches()).toBeUndefined()
    await flush(machine, log)
    const large = 'y'.repeat(1024 * 1024)
    for (let count = 0; count < 4; count++) log.append('late', large)
    await machine.time.run(
      log.betweenBatches() ?? Promise.reject(new Error('it waits for nothing')),
    )
    const [segment] = await segmentsOf(machine)
    expect(segment?.[1].length).toBe(2 + 4 * (large.length + 1))
  })

  it('keeps what earlier jobs have left where a job starts without state', async () => {
    const machine = await machineWithFolder()
    const memory = await openOn(machine)
    memory.append('late', 'of a run without state')
    await flush(machine, memory)
    // The first dies before its first checkpoint.
    for (const row of ['lost', 'kept']) {
      const log = await openOn(machine)
      await machine.time.run(log.restore(null))
      log.append('late', row)
      await flush(machine, log)
    }
    const rows = (await segmentsOf(machine)).map(([, text]) => text)
    expect(rows).toEqual(['of a run without state\n', 'kept\n'])
  })

  it('cuts off nothing older where the job had kept no rows of its own', async () => {
    const machine = await machineWithFolder()
    const memory = await openOn(machine)
    memory.append('late', 'older')
    await flush(machine, memory)
    const log = await openOn(machine)
    await machine.time.run(log.restore(null))
    const { position, complete } = log.freeze()
    await machine.time.run(complete())
    const next = await openOn(machine)
    await machine.time.run(next.restore(position))
    expect((await segmentsOf(machine)).map(([, text]) => text)).toEqual(['older\n'])
  })
})
