import { beforeAll, describe, expect, it } from 'vitest'
import type { JobSummary } from '../../src/rule/rule-job.ts'
import { machineWithFolder } from './crash-runs.ts'
import { generatedPartitions, runDurableJob, shownAlerts } from './durable-job.ts'
import { SimulatedCrash, type SimulatedMachine } from './simulated-machine.ts'

const partitions = generatedPartitions(7, 80)
/** Every key leaves memory when it has been looked at. */
const hooks = { durability: { cacheBytes: 0 } }
let faultless: { readonly alerts: readonly string[]; readonly summary: JobSummary }
let operations: number

beforeAll(async () => {
  const machine = await machineWithFolder()
  const summary = await runDurableJob(machine, partitions, hooks)
  operations = machine.operations
  faultless = { alerts: await shownAlerts(machine), summary }
})

/** Runs the job until it ends; gives whether it died on this machine. */
async function dies(machine: SimulatedMachine): Promise<boolean> {
  try {
    await runDurableJob(machine, partitions, hooks)
    return false
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error
    return true
  }
}

async function outcome(machine: SimulatedMachine) {
  const summary = await runDurableJob(machine, partitions, hooks)
  return { alerts: await shownAlerts(machine), summary: comparable(summary) }
}

/** What a job counts over all its lives. */
function comparable({ events, late, alertsByRule, suppressedByRule }: JobSummary) {
  return { events, late, alertsByRule, suppressedByRule }
}

describe('a job that dies', () => {
  it('has something to lose', () => {
    expect(faultless.alerts.length).toBeGreaterThan(20)
    expect(new Set(faultless.alerts).size).toBe(faultless.alerts.length)
    expect([...faultless.summary.alertsByRule.values()].every((count) => count > 0)).toBe(true)
    expect([...faultless.summary.suppressedByRule.values()].some((count) => count > 0)).toBe(true)
    expect(faultless.summary.late).toBeGreaterThan(0)
  })

  for (const crash of ['power', 'kill'] as const) {
    it(`gives the same alerts, each once, after a ${crash} at any operation`, async () => {
      const expected = { alerts: faultless.alerts, summary: comparable(faultless.summary) }
      let crashes = 0
      for (let crashAt = 1; crashAt <= operations; crashAt++) {
        const machine = await machineWithFolder(crashAt)
        machine.faults = { crash, crashAt: machine.operations + crashAt }
        if (!(await dies(machine))) continue
        crashes++
        // And again, within the recovery or soon after.
        const second = machine.reopen({ crash, crashAt: 1 + ((crashAt * 7) % 40) })
        if (await dies(second)) crashes++
        expect(await outcome(second.reopen()), `crash at ${crashAt}`).toEqual(expected)
      }
      expect(crashes).toBeGreaterThan(operations * 0.9)
    }, 240_000)
  }
})
