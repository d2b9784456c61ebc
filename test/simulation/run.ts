import { parseArgs } from 'node:util'
import { enumerateCrashes } from './enumerate-crashes.ts'
import { type Hazard, hazards, type ScenarioLimits, scenarioOf } from './scenario.ts'
import { shrink } from './shrink.ts'
import { type SimulationOutcome, simulate } from './simulate.ts'

const usage = `usage: npm run simulate -- [--seeds N] [--seed S] [--events N] [--without ${hazards.join(',')}] [--format pretty|json]
Runs whole jobs on simulated machines that fail. Without --seed: crashes at every operation and in
every recovery first, then the scenarios of the seeds 1 to N (default 200). With --seed S: those of S
and what follows, as a failure says.
`

/** What a run has found, over all seeds. */
interface SimulationReport {
  seeds: number
  lost: number
  duplicate: number
  different: number
  /** Scenarios that came to another end than theirs. */
  failed: number
  crashes: number
  stops: number
  /** Lives in which the job gave up, as it should, by code. */
  refusals: Record<string, number>
  failures: { readonly command: string; readonly problems: readonly string[] }[]
}

const failuresMax = 5

/** `npm run simulate`: see `usage`. Exit code 1 where something is lost, doubled or different. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      events: { type: 'string' },
      without: { type: 'string' },
      format: { type: 'string', default: 'pretty' },
    },
  })
  const first = Number(values.seed ?? 1)
  const count = Number(values.seeds ?? (values.seed === undefined ? 200 : 1))
  const events = Number(values.events ?? Infinity)
  const without = (values.without ?? '').split(',').filter((name) => name !== '') as Hazard[]
  const numbers = [first, count].every(Number.isInteger) && count >= 0 && events >= 0
  if (!numbers || without.some((name) => !hazards.includes(name))) {
    process.stderr.write(usage)
    return 2
  }
  const json = values.format === 'json'
  const report = emptyReport()
  if (values.seed === undefined) await enumerate(report, json)
  for (let seed = first; seed < first + count; seed++) {
    await runSeed(seed, { events, without }, report)
    if (report.failures.length >= failuresMax) break
    if ((seed + 1 - first) % 500 === 0) process.stderr.write(`${seed + 1 - first} of ${count}\n`)
  }
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : pretty(report))
  return report.failures.length > 0 ? 1 : 0
}

async function runSeed(seed: number, limits: ScenarioLimits, report: SimulationReport) {
  const outcome = await simulate(scenarioOf(seed, limits))
  report.seeds++
  report.crashes += outcome.crashes
  report.stops += outcome.stops
  for (const code of outcome.refusals) report.refusals[code] = (report.refusals[code] ?? 0) + 1
  if (outcome.problems.length === 0) return
  add(report, outcome)
  const least = await shrink(seed, limits)
  report.failures.push({ command: commandOf(seed, least.limits), problems: least.problems })
  process.stderr.write(
    `seed ${seed} fails; the least that does:\n  ${commandOf(seed, least.limits)}\n`,
  )
  for (const problem of least.problems.slice(0, 3)) process.stderr.write(`  ${problem}\n`)
}

async function enumerate(report: SimulationReport, json: boolean): Promise<void> {
  for (const crash of ['kill', 'power'] as const) {
    const outcome = await enumerateCrashes(crash)
    if (!json) {
      const { singles, pairs } = outcome
      process.stdout.write(
        `${crash} at each operation of a job: ${singles}; and again within each recovery: ${pairs}\n`,
      )
    }
    report.crashes += outcome.crashes
    if (outcome.problems.length === 0) continue
    add(report, outcome)
    report.failures.push({ command: 'npm run simulate -- --seeds 0', problems: outcome.problems })
    for (const problem of outcome.problems.slice(0, 3)) process.stderr.write(`  ${problem}\n`)
  }
}

function add(
  report: SimulationReport,
  outcome: Pick<SimulationOutcome, 'lost' | 'duplicate' | 'different'>,
) {
  report.lost += outcome.lost
  report.duplicate += outcome.duplicate
  report.different += outcome.different
  if (outcome.lost + outcome.duplicate + outcome.different === 0) report.failed++
}

function commandOf(seed: number, { events = Infinity, without = [] }: ScenarioLimits): string {
  const parts = ['npm run simulate --', `--seed ${seed}`]
  if (events !== Infinity) parts.push(`--events ${events}`)
  if (without.length > 0) parts.push(`--without ${without.join(',')}`)
  return parts.join(' ')
}

function pretty(report: SimulationReport): string {
  const { seeds, lost, duplicate, different, failed, crashes, stops, refusals } = report
  const codes = Object.entries(refusals).sort()
  const refused = codes.map(([code, count]) => `${code} ${count}`).join(', ')
  return (
    `${crashes} crashes, ${stops} stops, gave up ${refused === '' ? 'never' : `with ${refused}`}\n` +
    `${seeds} seeds: ${lost} lost, ${duplicate} duplicate, ${different} different` +
    `${failed === 0 ? '' : `, ${failed} failed otherwise`}\n`
  )
}

function emptyReport(): SimulationReport {
  return {
    ...{ seeds: 0, lost: 0, duplicate: 0, different: 0, failed: 0, crashes: 0, stops: 0 },
    refusals: {},
    failures: [],
  }
}

process.exitCode = await main()
