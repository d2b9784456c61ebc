import { Random } from '../../connectors/generator/random.ts'
import { rulePool } from './rule-pool.ts'
import type { Life } from './scenario.ts'
import { type SimulationOutcome, simulateLives } from './simulate.ts'
import type { SimulatedJob } from './simulated-job.ts'
import { generatedSplits } from './simulated-records.ts'

/** What became of a job that died everywhere. */
export interface Enumeration
  extends Pick<SimulationOutcome, 'lost' | 'duplicate' | 'different' | 'problems' | 'crashes'> {
  /** Runs with one crash, and with two. */
  readonly singles: number
  readonly pairs: number
}

export interface EnumerationOptions {
  /** Records of a stream; default 40. */
  readonly records?: number
  /** Only each so manieth death is followed by others within the recovery; default 1. */
  readonly pairsOfEach?: number
}

/**
 * Lets a job die at its first operation, at its second, and so on until a run is through; and, after
 * each of these deaths, at the first operation of the recovery, at the second, and so on until a batch
 * is read again.
 */
export async function enumerateCrashes(
  crash: Life['crash'],
  { records = 40, pairsOfEach = 1 }: EnumerationOptions = {},
): Promise<Enumeration> {
  const job = jobWith(records)
  const sum = { ...{ lost: 0, duplicate: 0, different: 0, crashes: 0 }, problems: [] as string[] }
  const run = async (...operations: readonly number[]) => {
    const outcome = await simulateLives(job, operations[0] as number, operations.map(lifeOf))
    sum.lost += outcome.lost
    sum.duplicate += outcome.duplicate
    sum.different += outcome.different
    sum.crashes += outcome.crashes
    for (const problem of outcome.problems) {
      sum.problems.push(`${crash} at operations ${operations.join(' and ')}: ${problem}`)
    }
    return outcome
  }
  const lifeOf = (operation: number): Life => ({
    ...{ crash, crashAt: { operation }, stop: null, weather: [], clock: [] },
  })
  let singles = 0
  let pairs = 0
  for (;;) {
    const { crashes } = await run(singles + 1)
    if (crashes === 0) return { ...sum, singles, pairs }
    singles++
    if (singles % pairsOfEach !== 0) continue
    for (let second = 1; ; second++) {
      const { crashes: both, batches } = await run(singles, second)
      if (both < 2) break
      pairs++
      if ((batches[1] as number) > 0) break
    }
  }
}

/** All sinks, an ingest log beside a source that keeps its records, and rules of many kinds. */
function jobWith(records: number): SimulatedJob {
  return {
    rules: rulePool.filter(({ rule }) => ['rising', 'unpaid', 'pair', 'across'].includes(rule.id)),
    streams: ['s', 't'].map((stream) => ({
      name: stream,
      kind: stream === 's' ? 'kept' : 'fed',
      splits: generatedSplits(new Random(stream.charCodeAt(0)), {
        ...{ stream, splits: 1, eventsMax: records, outOfOrdernessMs: 3000 },
      }),
      watermarks: { outOfOrdernessMs: 3000, idleAfterMs: Infinity },
    })),
    sinks: ['file', 'broker', 'mailbox'],
    source: { pollMs: 10, batchLength: 5 },
    checkpoints: { intervalMs: 40, entriesOfSlice: 5 },
  }
}
