import { describe, expect, it } from 'vitest'
import { checked } from '../harness/split-run.ts'
import { withoutDetection } from './comparison.ts'
import { machineWithFolder } from './crash-runs.ts'
import { generatedPartitions, runDurableJob } from './durable-job.ts'
import { alertsIn, Outside } from './simulated-job.ts'
import { SimulatedCrash } from './simulated-machine.ts'

const unpaid = (more: string) => `
id: unpaid
from: s
by: k
detect:
  within: 10s
  sequence:
    - { step: order, where: n == 4 }
    - { step: paid, where: n == 5 }
${more}`
const telling = 'on_timeout: { title: "unpaid {{ order.n }}" }\n'
const silent = `
id: silent
from: s
by: [k, n]
detect: { within: 7s, sequence: [{ step: a, where: n > 5 }, { absent: b, where: n > 5 }] }
`
const rules = (...texts: readonly string[]) => checked(texts.join('---'))

/** Nothing is kept in memory that does not have to be. */
const cold = { durability: { cacheBytes: 0 } }

describe('rules whose keys are on disk', () => {
  it('tell of time limits that came to matter after their keys had left memory', async () => {
    const record = (second: number, k: string, n: number) =>
      JSON.stringify({ ts: second * 1000, k, n })
    const orders = Array.from({ length: 20 }, (_, index) => record(index / 10, `k${index}`, 4))
    const later = Array.from({ length: 20 }, (_, index) => record(5 + index, 'other', 0))
    const partitions = [[...orders, ...later]]
    const machine = await machineWithFolder()
    let batches = 0
    await runDurableJob(machine, partitions, {
      ...cold,
      rules: rules(unpaid('')),
      onBatch: () => batches++,
      isStopped: () => batches > 4,
    })
    await runDurableJob(machine, partitions, { ...cold, rules: rules(unpaid(telling)) })
    const keys = (await alertsIn('file', machine, new Outside())).map(
      (line) => JSON.parse(line).by.k,
    )
    expect(keys.sort()).toEqual(orders.map((line) => JSON.parse(line).k).sort())
  })

  const partitions = generatedPartitions(11, 150)
  const all = rules(unpaid(telling), silent)
  it('go on with what is on disk after a crash at any operation', async () => {
    const calm = await machineWithFolder()
    await runDurableJob(calm, partitions, { ...cold, rules: all })
    const expected = (await alertsIn('file', calm, new Outside())).map(withoutDetection).sort()
    for (let crashAt = 5; crashAt < calm.operations; crashAt += 7) {
      const machine = await machineWithFolder(crashAt)
      machine.faults = { crash: 'kill', crashAt: machine.operations + crashAt }
      await runDurableJob(machine, partitions, { ...cold, rules: all }).catch((error) => {
        if (!(error instanceof SimulatedCrash)) throw error
      })
      const next = machine.reopen()
      await runDurableJob(next, partitions, { ...cold, rules: all })
      const shown = (await alertsIn('file', next, new Outside())).map(withoutDetection).sort()
      expect(shown, `crash at ${crashAt}`).toEqual(expected)
    }
  }, 120_000)
})
