import { beforeAll, describe, expect, it } from 'vitest'
import type { FallBack } from '../../src/checkpoint/retained-checkpoints.ts'
import type { KeyRange, StoreRow } from '../../src/connector/state-store.ts'
import { TocsinError } from '../../src/errors.ts'
import { machineWithFolder } from './crash-runs.ts'
import { generatedPartitions, runDurableJob, shownAlerts, stateful } from './durable-job.ts'
import { SimulatedCrash, type SimulatedMachine } from './simulated-machine.ts'

const partitions = generatedPartitions(11, 200)
const state = '/data/state'
let expected: readonly string[]

beforeAll(async () => {
  const machine = await machineWithFolder()
  await runDurableJob(machine, partitions)
  expected = await shownAlerts(machine)
})

/** Runs to the end, or until so many batches were given; gives what it had to go back to. */
async function run(
  machine: SimulatedMachine,
  batches = Infinity,
  rules = stateful,
): Promise<FallBack[]> {
  const told: FallBack[] = []
  let given = 0
  await runDurableJob(machine, partitions, {
    rules,
    onBatch: () => given++,
    isStopped: () => given >= batches,
    durability: { retained: 3, intervalMs: 15, onFallBack: (fallBack) => told.push(fallBack) },
  })
  return told
}

async function retainedOn({ files }: SimulatedMachine): Promise<number[]> {
  return (await files.list(`${state}/retained`)).map(Number).sort((a, b) => b - a)
}

/** Changes a byte of the row that says which checkpoint it is. */
function damageHead(machine: SimulatedMachine, directory: string): Promise<void> {
  return damage(machine, directory, { gte: Buffer.from('h'), lt: Buffer.from('i') })
}

/** Changes a byte of what each key has open. */
function damageEntries(machine: SimulatedMachine, directory: string): Promise<void> {
  return damage(machine, directory, { gte: Buffer.from('e'), lt: Buffer.from('f') })
}

async function damage({ openStateStore }: SimulatedMachine, directory: string, range: KeyRange) {
  const store = await openStateStore(`${directory}/db`, { firstStart: false })
  for await (const rows of store.iterate(range, 1)) {
    const [{ key, value }] = rows as [StoreRow]
    value[value.length - 1] = (value[value.length - 1] as number) ^ 1
    await store.write([{ kind: 'put', key, value }])
  }
  await store.flush()
  await store.close()
}

/** The code and message of what it fails with. */
async function failureOf(work: Promise<unknown>): Promise<readonly [string, string]> {
  try {
    await work
    return ['', '']
  } catch (error) {
    if (error instanceof TocsinError) return [error.code, error.message]
    throw error
  }
}

describe('retained checkpoints', () => {
  it('are the newest ones, and no more', async () => {
    const machine = await machineWithFolder()
    await run(machine, 70)
    const [newest = 0, ...others] = await retainedOn(machine)
    expect(newest).toBeGreaterThan(3)
    expect(others).toEqual([newest - 1, newest - 2])
    await runDurableJob(machine, partitions, { durability: { retained: 1 } })
    expect(await retainedOn(machine)).toEqual([])
  })

  it('take the place of a newest one that is damaged, and lose nothing', async () => {
    for (let batches = 5; batches < 70; batches += 6) {
      const machine = await machineWithFolder(batches)
      await run(machine, batches)
      const [newest = 0] = await retainedOn(machine)
      await damageHead(machine, state)
      const told = await run(machine)
      expect(told).toEqual([
        {
          checkpoint: newest,
          reason: expect.stringContaining('does not fit its checksum'),
          damaged: `${state}/damaged-1`,
        },
      ])
      expect(await shownAlerts(machine), `after ${batches}`).toEqual(expected)
      expect((await machine.files.inspect(`${state}/damaged-1`))?.kind).toBeDefined()
    }
  }, 30_000)

  it('take the place of a store that is gone, or older than what was acknowledged', async () => {
    const gone = await machineWithFolder()
    await run(gone, 12)
    await gone.files.removeTree(`${state}/db`)
    expect((await run(gone)).length).toBe(1)
    expect(await shownAlerts(gone)).toEqual(expected)
    const older = await machineWithFolder()
    await run(older, 12)
    const [, before = 0] = await retainedOn(older)
    const copied = `${state}/retained/${before}/db`
    const copy = await older.openStateStore(copied, { firstStart: false })
    await older.files.removeTree(`${state}/db`)
    await copy.checkpointTo(`${state}/db`)
    await copy.close()
    expect((await run(older))[0]?.reason).toContain(`it ends at ${before}`)
    expect(await shownAlerts(older)).toEqual(expected)
  })

  it('are gone back to as far as no sink has gone beyond, and no further', async () => {
    const rare = stateful.filter(({ rule }) => rule.id === 'rising')
    const shown = expected.filter((line) => JSON.parse(line).rule === 'rising')
    let wentBack = 0
    let refused = 0
    for (let batches = 10; batches < 70; batches += 2) {
      const machine = await machineWithFolder(batches)
      await run(machine, batches, rare)
      const numbers = await retainedOn(machine)
      const marker = await markerOn(machine)
      await damageHead(machine, state)
      await damageHead(machine, `${state}/retained/${numbers[0]}`)
      const allowed = numbers.slice(1).find((number) => number >= marker)
      if (allowed === undefined) {
        const [code, message] = await failureOf(run(machine, Infinity, rare))
        expect(code).toBe('CHECKPOINT_CORRUPT')
        expect(message).toContain(`the sink file has committed checkpoint ${marker} already`)
        expect(message).toContain('Choose: ')
        refused++
      } else {
        expect((await run(machine, Infinity, rare)).map(({ checkpoint }) => checkpoint)).toEqual([
          allowed,
        ])
        expect(await shownAlerts(machine)).toEqual(shown)
        wentBack++
      }
    }
    expect([wentBack > 1, refused > 1]).toEqual([true, true])
  }, 30_000)

  it('take its place at the next start where damage is met in a run', async () => {
    const machine = await machineWithFolder()
    await run(machine, 12)
    await damageEntries(machine, state)
    const before = await retainedOn(machine)
    const [code, message] = await failureOf(run(machine))
    // A checkpoint may have been taken before the damage was met, and be retained just then.
    const after = await retainedOn(machine)
    expect(code).toBe('CHECKPOINT_CORRUPT')
    const told =
      /Or start the job again as it is: it reads all of its state first, and goes back to the newest whole one of the checkpoints ([\d, ]+), which are retained/
    expect([before.join(', '), after.join(', ')]).toContain(told.exec(message)?.[1])
    expect((await run(machine)).length).toBe(1)
    expect(await shownAlerts(machine)).toEqual(expected)
    expect(await machine.files.inspect(`${state}/suspect`)).toBe(undefined)
  })

  it('are looked at, and not gone back to, where the suspicion is wrong', async () => {
    const machine = await machineWithFolder()
    await run(machine, 12)
    const file = await machine.files.openFile(`${state}/suspect`, 'new')
    await file.close()
    expect(await run(machine)).toEqual([])
    expect(await machine.files.inspect(`${state}/suspect`)).toBe(undefined)
  })

  it('get a job through a crash at any operation while it goes back', async () => {
    let crashes = 0
    for (let crashAt = 1; crashAt < 80; crashAt++) {
      const first = await machineWithFolder(crashAt)
      await run(first, 12)
      await damageHead(first, state)
      const machine = first.reopen({ crash: 'power', crashAt })
      try {
        await run(machine)
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error
        crashes++
      }
      const next = machine.reopen()
      await run(next)
      expect(await shownAlerts(next), `crash at ${crashAt}`).toEqual(expected)
    }
    expect(crashes).toBeGreaterThan(70)
  }, 60_000)
})

/** What the sink has committed. */
async function markerOn({ files }: SimulatedMachine): Promise<number> {
  const text = (await files.readFile('/data/alerts.ndjson.commit')).toString('latin1')
  return Number(/"checkpoint":(\d+)/.exec(text)?.[1] ?? 0)
}
