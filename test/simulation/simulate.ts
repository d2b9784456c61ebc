import { TocsinError } from '../../src/errors.ts'
import type { JobSummary } from '../../src/rule/rule-job.ts'
import {
  accountOf,
  type Difference,
  differenceOf,
  type ExpectedAlerts,
  expectedAlerts,
} from './comparison.ts'
import type { Hazard, Life, Scenario } from './scenario.ts'
import {
  alertsIn,
  jobFolder,
  leftOutOf,
  Outside,
  runSimulatedJob,
  type SimulatedJob,
} from './simulated-job.ts'
import { SimulatedCrash, SimulatedMachine } from './simulated-machine.ts'
import { firstEventMs } from './simulated-records.ts'
import { SimulatedTime } from './simulated-time.ts'

/** What became of a job over its lives. */
export interface SimulationOutcome {
  /** Alerts over all sinks. */
  lost: number
  duplicate: number
  different: number
  /** What went wrong, in words; empty: nothing did. */
  readonly problems: string[]
  /** Lives that ended by a crash, those that were asked to stop, and codes of those that gave up. */
  crashes: number
  stops: number
  readonly refusals: string[]
  /** Batches that each life was given, but for the last one. */
  readonly batches: number[]
  /** Of the ports, in the last life. */
  operations: number
}

/** Codes that a job may give up with, by what befalls it. */
const codesOf: Partial<Record<Hazard, readonly string[]>> = {
  io: ['STATE_IO'],
  full: ['STATE_DISK_FULL'],
  flip: ['STATE_CORRUPT', 'CHECKPOINT_CORRUPT', 'SINK_MARKER'],
}

/**
 * Runs a scenario: the job with checkpoints and without faults, and then through all its lives. Either
 * must give what it gives without checkpoints and without faults.
 */
export async function simulate({ seed, job, lives }: Scenario): Promise<SimulationOutcome> {
  const calm = await simulateLives(job, seed, [])
  if (calm.problems.length > 0) return calm
  return await simulateLives(job, seed, lives, calm.operations)
}

/**
 * Runs a job through these lives, and one more that nothing befalls.
 * @param operations of a run without faults: what a crash is a share of
 */
export async function simulateLives(
  job: SimulatedJob,
  seed: number,
  lives: readonly Life[],
  operations = 0,
): Promise<SimulationOutcome> {
  return await new Simulation(job, seed).run(lives, operations)
}

class Simulation {
  readonly #job: SimulatedJob
  readonly #seed: number
  readonly #outside = new Outside()
  /** What has befallen the job: a bit that changed in one life may be noticed in a later one. */
  readonly #befallen = new Set<Hazard>()
  #hasOtherRules = false
  readonly #outcome: SimulationOutcome = {
    ...{ lost: 0, duplicate: 0, different: 0, problems: [] },
    ...{ crashes: 0, stops: 0, refusals: [], batches: [], operations: 0 },
  }

  constructor(job: SimulatedJob, seed: number) {
    this.#job = job
    this.#seed = seed
  }

  async run(lives: readonly Life[], operations: number): Promise<SimulationOutcome> {
    try {
      await this.#run(lives, operations)
    } catch (error) {
      this.#outcome.problems.push(String((error as Error).stack ?? error))
    }
    return this.#outcome
  }

  async #run(lives: readonly Life[], operations: number): Promise<void> {
    const job = this.#job
    const outside = this.#outside
    const time = new SimulatedTime(firstEventMs)
    let machine = new SimulatedMachine({ seed: this.#seed * 1000, time })
    await machine.files.makeDirectory(jobFolder)
    await machine.files.syncDirectory('/')
    this.#hasOtherRules = lives.some(({ rules }) => rules !== undefined)
    // What a feed gave is known when all of it is in the log: only then is there a measure.
    const isFed = job.streams.some(({ kind }) => kind === 'fed')
    const known = isFed ? null : await measureOf(job)
    for (const life of lives) {
      machine.faults = faultsOf(life, machine, operations)
      const summary = await this.#live(machine, life)
      machine.crash(life.crash)
      machine = machine.reopen()
      if (known === null) continue
      // Also between two lives nothing may be there that does not belong there.
      if (summary === null) await this.#compare(machine, known, 'so far')
      else await this.#check(machine, known, summary)
    }
    machine.mend()
    const summary = await runSimulatedJob(machine, job, outside)
    this.#outcome.operations = machine.operations
    const measure = known ?? (await measureOf(withLogged(job, outside)))
    await this.#check(machine, measure, summary)
  }

  /** One life, until it ends one way or the other; `null`: the job has not come to its end. */
  async #live(machine: SimulatedMachine, life: Life): Promise<JobSummary | null> {
    const { rules = this.#job.rules } = life
    let batches = 0
    for (const { hazard } of life.weather) this.#befallen.add(hazard)
    brew(machine, life)
    try {
      const summary = await runSimulatedJob(machine, { ...this.#job, rules }, this.#outside, {
        onBatch: () => {
          batches++
        },
        isStopped: () => batches > (life.stop?.afterBatches ?? Infinity),
        graceMs: life.stop?.graceMs ?? Infinity,
      })
      if (summary.end === 'ended') return summary
      this.#outcome.stops++
    } catch (error) {
      if (error instanceof SimulatedCrash) this.#outcome.crashes++
      else if (error instanceof TocsinError && this.#isExpected(error)) {
        this.#outcome.refusals.push(error.code)
        machine.mend()
      } else throw error
    } finally {
      this.#outcome.batches.push(batches)
    }
    return null
  }

  #isExpected({ code }: TocsinError): boolean {
    return [...this.#befallen].some((hazard) => codesOf[hazard]?.includes(code))
  }

  async #check(machine: SimulatedMachine, measure: Measure, summary: JobSummary): Promise<void> {
    await this.#compare(machine, measure, 'at the end')
    if (this.#hasOtherRules) return
    const account = accountOf(summary, await leftOutOf(machine, this.#outside))
    if (account === measure.account) return
    this.#outcome.different++
    this.#outcome.problems.push(`it counts ${account}\nin place of ${measure.account}`)
  }

  async #compare(
    machine: SimulatedMachine,
    { expected }: Measure,
    when: 'so far' | 'at the end',
  ): Promise<void> {
    const ids = new Set(this.#job.rules.map(({ rule }) => rule.id))
    for (const sink of this.#job.sinks) {
      const all = await alertsIn(sink, machine, this.#outside)
      // What other rules give depends on when they came and went.
      const documents = all.filter((document) => ids.has(JSON.parse(document).rule))
      const difference = differenceOf(expected, documents, sink !== 'mailbox')
      this.#note(when === 'so far' ? { ...difference, lost: [] } : difference, `${sink} ${when}`)
    }
  }

  #note({ lost, duplicate, different }: Difference, where: string): void {
    this.#outcome.lost += lost.length
    this.#outcome.duplicate += duplicate.length
    this.#outcome.different += different.length
    if (lost.length + duplicate.length + different.length === 0) return
    this.#outcome.problems.push(
      `${where}: lost ${lost.join(' ')}; duplicate ${duplicate.join(' ')}; different ${different.join(' ')}`,
    )
  }
}

/** What a job gives that nothing befalls. */
interface Measure {
  readonly expected: ExpectedAlerts
  readonly account: string
}

/** Runs the job without checkpoints. */
async function measureOf(job: SimulatedJob): Promise<Measure> {
  const outside = new Outside()
  const machine = new SimulatedMachine({ seed: 0, time: new SimulatedTime(firstEventMs) })
  const source = { pollMs: 1, batchLength: 7 }
  const summary = await runSimulatedJob(machine, { ...job, source, checkpoints: null }, outside)
  return {
    expected: expectedAlerts(outside.mailbox.documents),
    account: accountOf(summary, outside.leftOut),
  }
}

/** The job over what its ingest logs gave, in place of what they were fed with. */
function withLogged(job: SimulatedJob, { logged }: Outside): SimulatedJob {
  const streams = job.streams.map((stream) => {
    if (stream.kind === 'kept') return stream
    const splits = stream.splits.map(({ records: fed }, partition) => {
      const given = logged.get(`${stream.name}/${partition}`) ?? []
      const records = given.map(({ text }) => text)
      checkLog(fed, records)
      return { records, ingestTimes: given.map(({ ingestTime }) => ingestTime) }
    })
    return { ...stream, kind: 'kept' as const, splits }
  })
  return { ...job, streams }
}

/** What was fed is in the log in its order; what had no receipt may be there again. */
function checkLog(fed: readonly string[], given: readonly string[]): void {
  let next = 0
  for (const text of given) if (text === fed[next]) next++
  if (next < fed.length) throw new Error(`record ${next} of a feed is lost on its way into the log`)
  if (given.some((text) => !fed.includes(text))) throw new Error('the log has made a record up')
}

function faultsOf({ crash, crashAt }: Life, { operations }: SimulatedMachine, calm: number) {
  if (crashAt === null) return { crash }
  const at = 'operation' in crashAt ? crashAt.operation : Math.ceil(crashAt.share * calm)
  return { crash, crashAt: operations + at }
}

/** Lets weather come and go, and sets the clock. */
function brew(machine: SimulatedMachine, { weather, clock }: Life): void {
  const { time, faults: always } = machine
  const current = new Set<Life['weather'][number]>()
  const change = () => {
    machine.faults = Object.assign({}, always, ...[...current].map(({ faults }) => faults))
  }
  for (const each of weather) {
    const begin = async () => {
      if (each.afterMs > 0) await time.sleep(each.afterMs)
      current.add(each)
      change()
      await time.sleep(each.forMs)
      current.delete(each)
      change()
    }
    void begin()
  }
  for (const { afterMs, byMs } of clock) void time.sleep(afterMs).then(() => time.setClock(byMs))
}
