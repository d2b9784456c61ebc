import { describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  type CheckpointStore,
  openCheckpointStore,
} from '../../src/checkpoint/checkpoint-store.ts'
import { ByteReader } from '../../src/state/byte-reader.ts'
import { TextEntries } from '../harness/text-entries.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'

function open(machine: SimulatedMachine) {
  const { files, openStateStore, time } = machine
  return openCheckpointStore({ files, openStateStore, directory: '/data/state', scheduler: time })
}

interface Changes extends Partial<Omit<Checkpoint, 'operators'>> {
  /** By operator: texts by key, each change one after the other, and the parts. */
  readonly operators?: Readonly<
    Record<string, { readonly texts: readonly Change[]; readonly parts: string[] }>
  >
}

type Change = readonly [key: string, text: string | undefined]

const noPause = async () => undefined

/** Takes checkpoints with these changes, numbered from 1. */
async function take(store: CheckpointStore, ...checkpoints: readonly Changes[]): Promise<void> {
  const known = new Map<string, TextEntries>()
  for (const [index, { operators = {}, ...rest }] of checkpoints.entries()) {
    for (const [operator, { texts }] of Object.entries(operators)) {
      const entries = known.get(operator) ?? new TextEntries().open(store, operator)
      known.set(operator, entries)
      for (const [key, text] of texts) await entries.set(key, text)
    }
    const frozen = [...known].map(([operator, { backend }]) => ({
      operator,
      entries: backend.freeze(),
      parts: operators[operator]?.parts ?? [],
    }))
    const number = index + 1
    const checkpoint = { number, job: { at: number }, outboxes: new Map(), ...rest }
    await store.write(await store.prepare({ ...checkpoint, operators: frozen }, noPause))
    for (const { backend } of known.values()) backend.notifyCheckpointComplete()
  }
}

/** A machine with these checkpoints of the operator `op` and the sink `out`. */
async function machineWith(...checkpoints: readonly Changes[]): Promise<SimulatedMachine> {
  const machine = await machineWithFolder()
  const store = await open(machine)
  await take(store, ...checkpoints)
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
    for (const { key, content } of rows) entries.push([key, new ByteReader(content).text()])
  }
  const parts = await store.partsOf('op')
  const staged = (await store.stagedOf('out')).map(String)
  const { number, job } = store.head
  return { number, job, entries: entries.sort(), parts, staged }
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
      {
        operators: {
          op: {
            texts: [
              ['a', '1'],
              ['b', '1'],
              ['c\xff', '1'],
            ],
            parts: ['p', 'q', 'r'],
          },
          other: { texts: [['a', 'o']], parts: ['o'] },
        },
        outboxes: new Map([['out', { staged: Buffer.from('one'), committed: undefined }]]),
      },
      {
        operators: {
          op: {
            texts: [
              ['b', '2'],
              ['a', undefined],
              ['a', '2'],
              ['d', undefined],
            ],
            parts: ['s'],
          },
        },
        outboxes: new Map([['out', { staged: Buffer.from('two'), committed: undefined }]]),
      },
      {
        operators: { op: { texts: [['b', undefined]], parts: ['t', 'u'] } },
        outboxes: new Map([['out', { staged: Buffer.from('three'), committed: 1 }]]),
      },
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
    const machine = await machineWith({ operators: { op: { texts: [['a', 'x']], parts: ['p'] } } })
    const db = await machine.openStateStore('/data/state/db', { firstStart: false })
    const rows: { key: Buffer; value: Buffer }[] = []
    for await (const some of db.iterate({}, 10)) rows.push(...some)
    await db.close()
    expect(rows.length).toBe(4)
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
    const machine = await machineWith({})
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
    await expect(take(store, {})).rejects.toThrow('crashed')
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
