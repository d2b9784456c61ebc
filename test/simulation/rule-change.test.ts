import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import type { CheckedRule } from '../../src/index.ts'
import type { SavedJob } from '../../src/rule/saved-job.ts'
import type { CarryOver } from '../../src/rule/state-carry-over.ts'
import { checked } from '../harness/split-run.ts'
import { machineWithFolder } from './crash-runs.ts'
import { generatedPartitions, runDurableJob, shownAlerts } from './durable-job.ts'
import { SimulatedCrash, type SimulatedMachine } from './simulated-machine.ts'

const rising = `
id: rising
from: s
by: k
detect:
  within: 40s
  sequence:
    - { step: low, where: n < 3, times: "2..3" }
    - { step: high, where: n > 6 && n > low.n }
`
const dedupe = 'dedupe: { by: [k], for: 60s }'
const unpaid = `
id: unpaid
from: s
by: k
detect:
  within: 10s
  sequence:
    - { step: order, where: n == 4 }
    - { step: paid, where: n == 5 }
on_timeout: { title: "unpaid \${{ order.n }}" }
`
const changing = (within: string) => `
id: changing
from: s
by: k
filter: n < 50
detect: { within: ${within}, sequence: [{ step: a, where: n > 3 }, { step: b, where: more.y >= a.more.y && n > a.n }] }
`
const pair = (within: string) => `
id: pair
from: s
by: n
detect: { within: ${within}, sequence: [{ step: a }, { step: b, where: k != a.k }] }
`
const removed = `
id: removed
from: s
by: [k, n]
detect: { within: 20s, sequence: [{ step: a }, { step: b }] }
`
// Its operator is that of others, it needs fields and events that they do not, and every event.
const added = `
id: added
from: s
by: k
filter: n < 50
detect:
  within: 5s
  sequence: [{ step: a, where: more.x > 1 }, { step: b, contiguity: strict, where: more.y >= a.more.x }]
`
const other = `
id: other
from: s
by: more.x
detect: { within: 5s, sequence: [{ step: a }, { step: b }] }
`
const before = rules(changing('6s'), removed, `${rising}alert: { ${dedupe} }`, unpaid, pair('3s'))
const after = rules(
  unpaid,
  added,
  pair('4s'),
  other,
  changing('7s'),
  `${rising}alert: { ${dedupe}, fields: { x: high.more.x, low: low.n } }`,
)
const partitions = generatedPartitions(5, 80).map((records) =>
  records.map((record, index) => {
    return JSON.stringify({ ...JSON.parse(record), more: { x: index % 4, y: (index * 7) % 5 } })
  }),
)

function rules(...texts: readonly string[]): readonly CheckedRule[] {
  return checked(texts.join('\n---\n'))
}

/** Alerts by rule, without when they were detected. */
async function alertsOf(machine: SimulatedMachine, ...ids: readonly string[]) {
  const alerts = (await shownAlerts(machine)).map((line) => JSON.parse(line))
  return alerts.filter(({ rule }) => ids.includes(rule))
}

/** Runs the rules as they were until so many batches were given. */
async function runBefore(batches: number): Promise<SimulatedMachine> {
  const machine = await machineWithFolder(batches)
  let given = 0
  await runDurableJob(machine, partitions, {
    rules: before,
    onBatch: () => given++,
    isStopped: () => given >= batches,
  })
  return machine
}

/** Goes on with the rules as they are, to the end or until so many batches were given. */
async function goOn(machine: SimulatedMachine, batches = Infinity): Promise<CarryOver[]> {
  const told: CarryOver[] = []
  let given = 0
  await runDurableJob(machine, partitions, {
    rules: after,
    onBatch: () => given++,
    isStopped: () => given >= batches,
    durability: { onCarriedOver: (carryOver: CarryOver) => told.push(carryOver) },
  })
  return told
}

let unstopped: SimulatedMachine
beforeAll(async () => {
  unstopped = await machineWithFolder()
  await runDurableJob(unstopped, partitions, { rules: after })
})

describe('a job that goes on with other rules', () => {
  it('has enough to carry over', async () => {
    for (const rule of after) {
      expect([rule.rule.id, (await alertsOf(unstopped, rule.rule.id)).length > 3]).toEqual([
        rule.rule.id,
        true,
      ])
    }
  })

  it('gives for rules that are the same what the run gives that never stopped', async () => {
    const unpaidAlerts = await alertsOf(unstopped, 'unpaid')
    const risingAlerts = await alertsOf(unstopped, 'rising')
    for (let batches = 1; batches < 34; batches++) {
      const machine = await runBefore(batches)
      const shownBefore = (await alertsOf(machine, 'rising')).length
      await goOn(machine)
      expect(await alertsOf(machine, 'unpaid'), `stopped after ${batches}`).toEqual(unpaidAlerts)
      const shown = await alertsOf(machine, 'rising')
      expect(shown.map(({ id }) => id).sort()).toEqual(risingAlerts.map(({ id }) => id).sort())
      // Fields that only the new alert shows are there, also of events that were taken before.
      const extended = shown.filter(({ fields }) => 'x' in fields)
      expect(extended.length).toBe(shown.length - shownBefore)
      expect(risingAlerts).toEqual(expect.arrayContaining(extended))
    }
  }, 60_000)

  it('lets new and changed rules see what comes from then on, and nothing before', async () => {
    for (let batches = 1; batches < 34; batches += 3) {
      const machine = await runBefore(batches)
      const positions = await positionsIn(machine)
      const shownBefore = (await alertsOf(machine, 'changing')).map(({ id }) => id)
      // What waited then still waits when the job is started once more.
      await goOn(machine, 1)
      await goOn(machine)
      const fresh = await machineWithFolder()
      const silenced = partitions.map((records, partition) =>
        records.map((record, offset) => {
          return offset >= (positions[partition] ?? 0) ? record : withoutValues(record)
        }),
      )
      await runDurableJob(fresh, silenced, { rules: rules(added, changing('7s')) })
      const expected = await alertsOf(fresh, 'added', 'changing')
      const shown = await alertsOf(machine, 'added', 'changing')
      expect(shown.filter(({ id }) => !shownBefore.includes(id))).toEqual(expected)
    }
  }, 60_000)

  it('says what became of the state of each rule, once', async () => {
    const machine = await runBefore(20)
    const told = await goOn(machine)
    expect(told).toEqual([
      {
        rules: [
          { id: 'added', outcome: 'added' },
          { id: 'changing', outcome: 'changed', keys: expect.any(Number) },
          { id: 'other', outcome: 'added' },
          { id: 'pair', outcome: 'changed', keys: expect.any(Number) },
          { id: 'removed', outcome: 'removed', keys: expect.any(Number) },
          { id: 'rising', outcome: 'kept', keys: expect.any(Number) },
          { id: 'unpaid', outcome: 'kept', keys: expect.any(Number) },
        ],
        removedStreams: [],
        addedStreams: [],
      },
    ])
    expect(told[0]?.rules.every(({ keys }) => keys !== 0)).toBe(true)
    expect(await goOn(machine)).toEqual([])
  })

  it('comes through a crash at any operation on the way', async () => {
    const expected = await alertsOf(unstopped, 'unpaid')
    let crashes = 0
    for (let crashAt = 1; crashAt < 60; crashAt++) {
      const machine = (await runBefore(17)).reopen({ crash: 'power', crashAt })
      try {
        await goOn(machine)
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error
        crashes++
      }
      const next = machine.reopen()
      // Half of the time the rules are brought back in between.
      if (crashAt % 2 === 0) {
        let given = 0
        await runDurableJob(next, partitions, {
          rules: before,
          onBatch: () => given++,
          isStopped: () => given >= 3,
        })
      }
      const last = next.reopen()
      await goOn(last)
      expect(await alertsOf(last, 'unpaid'), `crash at ${crashAt}`).toEqual(expected)
    }
    expect(crashes).toBeGreaterThan(40)
  }, 60_000)

  it('finds the state of a rule again that has another id', async () => {
    const machine = await runBefore(20)
    const told: CarryOver[] = []
    await runDurableJob(machine, partitions, {
      rules: rules(unpaid.replace('id: unpaid', 'id: owing')),
      durability: { onCarriedOver: (carryOver) => told.push(carryOver) },
    })
    const owing = told[0]?.rules.find(({ id }) => id === 'owing')
    expect(owing).toMatchObject({ outcome: 'kept', formerId: 'unpaid' })
  })
})

async function positionsIn({ files, openStateStore }: SimulatedMachine): Promise<number[]> {
  const store = await openCheckpointStore({ files, openStateStore, directory: '/data/state' })
  const { splits } = store.head.job as unknown as SavedJob
  await store.close()
  return splits.map(({ position }) => position?.offset ?? 0)
}

/** An event that moves time, and that none of the rules wants. */
function withoutValues(record: string): string {
  const { ts, k } = JSON.parse(record)
  return JSON.stringify({ ts, k, n: 99, more: { x: 0, y: 0 } })
}
