import { Random } from '../../connectors/generator/random.ts'
import type { CheckedRule } from '../../src/index.ts'
import { rulePool } from './rule-pool.ts'
import type { SimulatedJob, SimulatedSinkKind, SimulatedStream } from './simulated-job.ts'
import type { SimulatedFaults } from './simulated-machine.ts'
import { generatedSplits } from './simulated-records.ts'
import type { SimulatedSplit } from './simulated-source.ts'

/** What may befall a job. */
export const hazards = [
  'crash',
  'stop',
  'slow',
  'full',
  'io',
  'flip',
  'clock',
  'unreachable',
  'rules',
] as const
export type Hazard = (typeof hazards)[number]

/** How much smaller than its seed says a scenario is to be: for finding the least that fails. */
export interface ScenarioLimits {
  /** Records of a split at most. */
  readonly events?: number
  readonly without?: readonly Hazard[]
}

/** Faults for a while, in simulated ms since the start of the life. */
export interface Weather {
  readonly hazard: Hazard
  readonly afterMs: number
  readonly forMs: number
  readonly faults: SimulatedFaults
}

/** One process of a job, from its start to its end. */
export interface Life {
  /** Those that it runs; those of the job are among them, in any order. Default: those of the job. */
  readonly rules?: readonly CheckedRule[]
  /** Where it dies: an operation, or a share of those of a run without faults; `null`: nowhere. */
  readonly crashAt: { readonly operation: number } | { readonly share: number } | null
  /** What follows when it dies, or ends otherwise. */
  readonly crash: 'power' | 'kill'
  /** After how many batches it is asked to stop, and how long it has for that, simulated ms. */
  readonly stop: { readonly afterBatches: number; readonly graceMs: number } | null
  readonly weather: readonly Weather[]
  readonly clock: readonly { readonly afterMs: number; readonly byMs: number }[]
}

/** A job and all that befalls it; a last life, which nothing befalls, comes after `lives`. */
export interface Scenario {
  readonly seed: number
  readonly job: SimulatedJob
  readonly lives: readonly Life[]
}

/** The scenario of a seed: the same each time. */
export function scenarioOf(seed: number, limits: ScenarioLimits = {}): Scenario {
  // A stream of numbers for each part, so that leaving one out leaves the others as they are.
  const randomOf = (part: number) => new Random(seed * 64 + part)
  const { events = Infinity, without = [] } = limits
  const job = jobOf(randomOf(1), randomOf(2), events)
  const changes = randomOf(3).next() < 0.3 && !without.includes('rules')
  const lives = Array.from({ length: randomOf(0).integer(1, 5) }, (_, index): Life => {
    const life = lifeOf((part) => randomOf(10 + index * 10 + part), without, index)
    if (!changes) return life
    return { ...life, rules: otherRules(job, randomOf(10 + index * 10 + hazards.indexOf('rules'))) }
  })
  return { seed, job, lives }
}

/** The rules of the job and some others over its streams, in another order. */
function otherRules({ rules, streams }: SimulatedJob, random: Random): readonly CheckedRule[] {
  const names = streams.map(({ name }) => name)
  const others = rulePool.filter((each) => {
    const fits = each.rule.from.every((name) => names.includes(name))
    return fits && !rules.includes(each) && random.next() < 0.3
  })
  const places = [...rules, ...others].map((rule) => [random.next(), rule] as const)
  return places.sort(([a], [b]) => a - b).map(([, rule]) => rule)
}

function jobOf(random: Random, records: Random, eventsMax: number): SimulatedJob {
  const one = random.integer(0, rulePool.length - 1)
  const rules = rulePool.filter((_, index) => random.next() < 0.25 || index === one)
  const names = [...new Set(rules.flatMap(({ rule }) => rule.from))].sort()
  const isFed = random.next() < 0.25
  const mayPause = !isFed && random.next() < 0.3
  const outOfOrdernessMs = random.pick([0, 1000, 3000, 10_000])
  const maxDriftMs = random.pick([2000, 60_000])
  const streams = names.map((name, index): SimulatedStream => {
    const splits = generatedSplits(records, {
      stream: name,
      splits: random.integer(1, 3),
      eventsMax: Math.min(eventsMax, random.pick([5, 40, 90])),
      outOfOrdernessMs,
    })
    const pausing = mayPause && index === 0 ? pausedAt(splits[0], random) : null
    return {
      name,
      kind: isFed ? 'fed' : 'kept',
      splits: pausing === null ? splits : [pausing, ...splits.slice(1)],
      // What comes back from idleness may be late in one run and not in another.
      watermarks: {
        outOfOrdernessMs,
        maxDriftMs,
        idleAfterMs: isEmptyBehind(pausing) ? 100 : Infinity,
      },
    }
  })
  const sinks = (['file', 'broker', 'mailbox'] as const).filter(() => random.next() < 0.5)
  return {
    rules,
    streams,
    sinks: sinks.length > 0 ? sinks : [random.pick<SimulatedSinkKind>(['file', 'broker'])],
    source: { pollMs: random.pick([1, 10, 30]), batchLength: random.pick([1, 3, 5, 20, 100]) },
    checkpoints: {
      intervalMs: random.pick([1, 20, 60, 200, 1000]),
      entriesOfSlice: random.pick([1, 2, 10, 1000]),
      // Every key leaves memory, most do, or none does.
      cacheBytes: random.pick([0, 4096, 1 << 20, 1 << 20]),
      retained: random.pick([1, 1, 2, 3]),
    },
  }
}

/** The split with a pause: anywhere, or between its last event and its end. */
function pausedAt(split: SimulatedSplit | undefined, random: Random): SimulatedSplit {
  const records = split?.records ?? []
  const before = random.pick([records.length, random.integer(0, records.length)])
  return { records, pause: { before, polls: random.pick([2, 20, 60]) } }
}

function isEmptyBehind(paused: SimulatedSplit | null): boolean {
  return paused !== null && paused.pause?.before === paused.records.length
}

function lifeOf(
  randomOf: (part: number) => Random,
  without: readonly Hazard[],
  index: number,
): Life {
  const happens = (hazard: Hazard, chance: number) => {
    const random = randomOf(hazards.indexOf(hazard))
    return random.next() < chance && !without.includes(hazard) ? random : null
  }
  const crash = happens('crash', 0.7)
  const stop = happens('stop', 0.2)
  const clock = happens('clock', 0.25)
  const ending = randomOf(9).pick(['power', 'kill'] as const)
  return {
    // The first is anywhere; of the later ones half are within the recovery.
    crashAt:
      crash === null
        ? null
        : index > 0 && crash.next() < 0.5
          ? { operation: crash.integer(1, 40) }
          : { share: crash.next() },
    crash: ending,
    stop:
      stop === null
        ? null
        : { afterBatches: stop.integer(0, 15), graceMs: stop.pick([Infinity, Infinity, 0, 60]) },
    weather: weatherOf(happens),
    clock:
      clock === null
        ? []
        : [1, 2].slice(0, clock.integer(1, 2)).map(() => ({
            afterMs: clock.integer(0, 300),
            byMs: clock.pick([1000, 3_600_000, 86_400_000]) * clock.pick([1, -1]),
          })),
  }
}

function weatherOf(happens: (hazard: Hazard, chance: number) => Random | null): Weather[] {
  const weather: Weather[] = []
  const add = (hazard: Hazard, chance: number, faults: (random: Random) => SimulatedFaults) => {
    const random = happens(hazard, chance)
    if (random === null) return
    const afterMs = random.pick([0, random.integer(0, 300)])
    weather.push({ hazard, afterMs, forMs: random.integer(10, 2000), faults: faults(random) })
  }
  add('slow', 0.3, (random) => ({ slow: 0.3, slowMs: random.pick([20, 300]) }))
  add('full', 0.25, (random) => ({ diskFull: random.pick([0.1, 0.5, 1]) }))
  add('io', 0.2, (random) => ({ ioError: random.pick([0.005, 0.03, 0.2]) }))
  add('flip', 0.25, (random) => ({
    flippedBit: random.pick([0.02, 0.2]),
    flippedBitIn: random.pick(['/state', '.commit']),
  }))
  add('unreachable', 0.3, (random) => ({ unreachable: random.pick([0.1, 0.5, 1]) }))
  return weather
}
