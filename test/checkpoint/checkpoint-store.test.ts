import { describe, expect, it } from 'vitest'
import {
  type ChangedEntries,
  type ChangedEntry,
  type Checkpoint,
  type CheckpointStore,
  openCheckpointStore,
} from '../../src/checkpoint/checkpoint-store.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'

function open(machine: SimulatedMachine) {
  const { files, openStateStore } = machine
  return openCheckpointStore({ files, openStateStore, directory: '/data/state' })
}

function checkpoint(number: number, changes: Partial<Checkpoint> = {}): Checkpoint {
  return { number, job: { at: number }, operators: [], outboxes: new Map(), ...changes }
}

function entry(key: string, form: string | undefined) {
  return { keyGroup: 7, key, form }
}

/** These entries, one in each slice. */
function taken(...entries: readonly ChangedEntry[]): ChangedEntries {
  const left = [...entries]
  return {
    take: () => left.splice(0, 1),
    get isTaken() {
      return left.length === 0
    },
  }
}

const noPause = async () => undefined

/** A machine with these checkpoints of the operator `op` and the sink `out`. */
async function machineWith(...checkpoints: readonly Checkpoint[]): Promise<SimulatedMachine> {
  const machine = await machineWithFolder()
  const store = await open(machine)
  for (const each of checkpoints) await store.write(await store.prepare(each, noPause))
  await store.close()
  return machine
}

async function contentOf(machine: SimulatedMachine) {
  const store = await open(machine)
  try {
    return await readAll(store)
  } finally {
    await store.close()
  }
}

async function readAll(store: CheckpointStore) {
  const entries: [string, unknown][] = []
  for await (const rows of store.entriesOf('op')) {
    for (const [key, form] of rows) entries.push([key.toString('latin1'), form])
  }
  const parts = await store.partsOf('op')
  const staged = (await store.stagedOf('out')).map(String)
  const { number, job } = store.head
  return { number, job, entries, parts, staged }
}

describe('the checkpoints of a job', () => {
  it('are none at the beginning', async () => {
    expect(await contentOf(await machineWithFolder())).toEqual({
      number: 0,
      job: null,
      entries: [],
      parts: [],
      staged: [],
    })
  })

  it('add up: changed keys over those before, all else as it was last', async () => {
    const machine = await machineWith(
      checkpoint(1, {
        operators: [
          {
            operator: 'op',
            entries: taken(entry('a', '1'), entry('b', '1'), entry('c\xff', '1')),
            parts: ['p', 'q', 'r'],
          },
          { operator: 'other', entries: taken(entry('a', 'o')), parts: ['o'] },
        ],
        outboxes: new Map([['out', { staged: Buffer.from('one'), committed: undefined }]]),
      }),
      checkpoint(2, {
        operators: [
          {
            operator: 'op',
            entries: taken(
              entry('b', '2'),
              entry('a', '2'),
              entry('a', undefined),
              entry('d', undefined),
            ),
            parts: ['s'],
          },
        ],
        outboxes: new Map([['out', { staged: Buffer.from('two'), committed: undefined }]]),
      }),
      checkpoint(3, {
        operators: [{ operator: 'op', entries: taken(entry('b', undefined)), parts: ['t', 'u'] }],
        outboxes: new Map([['out', { staged: Buffer.from('three'), committed: 1 }]]),
      }),
    )
    expect(await contentOf(machine.reopen())).toEqual({
      number: 3,
      job: { at: 3 },
      // A key that was forgotten and has come again since is there.
      entries: [
        ['a', '2'],
        ['c\xff', '1'],
      ],
      parts: ['t', 'u'],
      staged: ['two', 'three'],
    })
  })

  it('are refused where a row is damaged', async () => {
    const machine = await machineWith(
      checkpoint(1, {
        operators: [{ operator: 'op', entries: taken(entry('a', 'x')), parts: ['p'] }],
      }),
    )
    const db = await machine.openStateStore('/data/state/db', { firstStart: false })
    const rows: { key: Buffer; value: Buffer }[] = []
    for await (const some of db.iterate({}, 10)) rows.push(...some)
    await db.close()
    expect(rows.length).toBe(3)
    for (const { key, value } of rows) {
      for (const broken of [flipped(value), value.subarray(0, 4), Buffer.from([9, ...value])]) {
        const changed = await machine.openStateStore('/data/state/db', { firstStart: false })
        await changed.write([{ kind: 'put', key, value: broken }])
        await changed.close()
        await expect(contentOf(machine)).rejects.toMatchObject({
          code: 'CHECKPOINT_CORRUPT',
          message: expect.stringContaining('Choose: '),
        })
        const mended = await machine.openStateStore('/data/state/db', { firstStart: false })
        await mended.write([{ kind: 'put', key, value }])
        await mended.close()
      }
    }
    expect((await contentOf(machine)).entries).toEqual([['a', 'x']])
  })

  it('are refused where one that was acknowledged is gone', async () => {
    const machine = await machineWith(checkpoint(1))
    const db = await machine.openStateStore('/data/state/db', { firstStart: false })
    await db.write([{ kind: 'delete', key: Buffer.from('h') }])
    await db.close()
    await expect(contentOf(machine)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' })
    await machine.files.removeTree('/data/state/db')
    await expect(contentOf(machine)).rejects.toMatchObject({ code: 'STATE_MISSING' })
  })

  it('are durable before they are given, also where they had not been acknowledged', async () => {
    const machine = await machineWithFolder()
    const store = await open(machine)
    machine.faults = { crash: 'kill', crashAt: machine.operations + 2 }
    await expect(store.write(await store.prepare(checkpoint(1), noPause))).rejects.toThrow(
      'crashed',
    )
    const next = machine.reopen()
    expect((await contentOf(next)).number).toBe(1)
    expect((await contentOf(next.reopen())).number).toBe(1)
  })
})

function flipped(value: Buffer): Buffer {
  const copy = Buffer.from(value)
  copy[copy.length - 1] = (copy[copy.length - 1] as number) ^ 1
  return copy
}
