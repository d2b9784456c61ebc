import { Random } from '../../connectors/generator/random.ts'
import type { CheckedRule } from '../../src/index.ts'
import type { JobSummary } from '../../src/rule/rule-job.ts'
import { withoutDetection } from './comparison.ts'
import { rulePool } from './rule-pool.ts'
import {
  alertsIn,
  Outside,
  runSimulatedJob,
  type SimulatedJob,
  type SimulatedJobHooks,
} from './simulated-job.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/** Rules that keep all kinds of state: partial matches, time limits, waiting matches, dedupe. */
export const stateful = rulePool.filter(({ rule }) =>
  ['rising', 'unpaid', 'pair'].includes(rule.id),
)

/** Events of a few keys in two partitions, out of order by up to 4.8 s, so that some are late. */
export function generatedPartitions(seed: number, count: number): string[][] {
  const random = new Random(seed)
  return [0, 1].map(() =>
    Array.from({ length: count }, (_, index) => {
      const ts = index * 1000 - random.integer(0, 4800)
      return JSON.stringify({ ts, k: `k${random.integer(0, 5)}`, n: random.integer(0, 9) })
    }),
  )
}

/** A job of one stream, with a checkpoint every few batches. */
export function durableJob(
  partitions: readonly (readonly string[])[],
  sinks: SimulatedJob['sinks'] = ['file'],
): SimulatedJob {
  return {
    rules: stateful,
    streams: [
      {
        name: 's',
        kind: 'kept',
        splits: partitions.map((records) => ({ records })),
        watermarks: { outOfOrdernessMs: 3000 },
      },
    ],
    sinks,
    source: { pollMs: 10, batchLength: 5 },
    checkpoints: { intervalMs: 60, entriesOfSlice: 2 },
  }
}

export interface DurableJobHooks extends SimulatedJobHooks {
  /** Default: `stateful`. */
  readonly rules?: readonly CheckedRule[]
}

/** Runs that job on a machine, from its last checkpoint there, to its end or until it is stopped. */
export function runDurableJob(
  machine: SimulatedMachine,
  partitions: readonly (readonly string[])[],
  { rules = stateful, ...hooks }: DurableJobHooks = {},
): Promise<JobSummary> {
  const sinks =
    hooks.secondSink === undefined ? (['file'] as const) : (['file', 'mailbox'] as const)
  const job = { ...durableJob(partitions, sinks), rules }
  return runSimulatedJob(machine, job, new Outside(), hooks)
}

/** The alerts that the job has shown, without when they were detected, sorted. */
export async function shownAlerts(machine: SimulatedMachine): Promise<string[]> {
  return (await alertsIn('file', machine, new Outside())).map(withoutDetection).sort()
}
