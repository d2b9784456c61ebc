import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../../connectors/generator/random.ts'
import { differenceOf, type ExpectedAlerts, expectedAlerts } from '../simulation/comparison.ts'
import { alertsOf, killMoments, leftOutOf, runAndKill, runToEnd } from './killed-run.ts'
import { type InputKind, inputKinds, makeJob, type SoakEvents, soakEvents } from './soak-job.ts'

const usage = `usage: npm run soak -- [--kills N] [--seed S] [--events N]
Runs \`tocsin run\` with RocksDB over files, gzip files and its standard input, at least 300,000 events,
and kills it (SIGKILL) at random moments, N times at least (default 100); then compares the alerts
with those of a run that is not killed. What is killed when follows from the seed, but for the time
that this machine takes.
`

interface SoakReport {
  kills: number
  lost: number
  duplicate: number
  different: number
}

/** What a run that is not killed gives. */
interface Measure {
  readonly expected: ExpectedAlerts
  readonly counts: string
  readonly leftOut: readonly string[]
}

/** `npm run soak`: see `usage`. Exit code 1 where something is lost, doubled or different. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      events: { type: 'string', default: '300000' },
    },
  })
  const [kills, seed, count] = [Number(values.kills), Number(values.seed), Number(values.events)]
  if (![kills, seed, count].every((value) => Number.isInteger(value) && value >= 0)) {
    process.stderr.write(usage)
    return 2
  }
  const events = soakEvents(seed, count)
  const random = new Random(seed)
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-soak-'))
  const report: SoakReport = { kills: 0, lost: 0, duplicate: 0, different: 0 }
  const measures = new Map<InputKind, Measure>()
  for (const kind of inputKinds) measures.set(kind, await measureOf(folder, kind, events))
  // Some kills a run, so that each kind of input has several runs; the last ones get what is left.
  const killsOfRun = Math.max(1, Math.ceil(kills / 6))
  for (let run = 0; report.kills < kills; run++) {
    const kind = inputKinds[run % inputKinds.length] as InputKind
    const at = join(folder, `${kind}-${run}`)
    const good = await soak(
      { at, kind, events, killsOfRun, random, report },
      measures.get(kind) as Measure,
    )
    if (good) rmSync(at, { recursive: true })
    else process.stderr.write(`the folder of that run is kept: ${at}\n`)
  }
  const { lost, duplicate, different } = report
  process.stdout.write(
    `${report.kills} kills: ${lost} lost, ${duplicate} duplicate, ${different} different\n`,
  )
  const isGood = lost + duplicate + different === 0
  if (isGood) rmSync(folder, { recursive: true })
  else process.stderr.write(`npm run soak -- --kills ${kills} --seed ${seed} --events ${count}\n`)
  return isGood ? 0 : 1
}

async function measureOf(folder: string, kind: InputKind, events: SoakEvents): Promise<Measure> {
  const job = makeJob(join(folder, `${kind}-whole`), kind, events, false)
  const counts = countsIn(await runToEnd(job))
  const expected = expectedAlerts(alertsOf(job))
  process.stdout.write(`${kind}: ${counts}\n`)
  return { expected, counts, leftOut: leftOutOf(job) }
}

interface SoakToDo {
  readonly at: string
  readonly kind: InputKind
  readonly events: SoakEvents
  readonly killsOfRun: number
  readonly random: Random
  readonly report: SoakReport
}

/** One job, killed some times, and then run to its end; whether it gave what was expected. */
async function soak(
  { at, kind, events, killsOfRun, random, report }: SoakToDo,
  measure: Measure,
): Promise<boolean> {
  const job = makeJob(at, kind, events, true)
  const killed = new Map<string, number>(killMoments.map((moment) => [moment, 0]))
  let kills = 0
  let stops = 0
  while (kills < killsOfRun) {
    const moment = random.pick(killMoments)
    const end = await runAndKill(job, moment, random)
    if (end === 'finished') break
    if (end === 'stopped') stops++
    else {
      kills++
      killed.set(moment, (killed.get(moment) ?? 0) + 1)
    }
  }
  report.kills += kills
  // One that has come to its end says so once more.
  const counts = countsIn(await runToEnd(job))
  const difference = differenceOf(measure.expected, alertsOf(job), true)
  report.lost += difference.lost.length
  report.duplicate += difference.duplicate.length
  report.different += difference.different.length
  const isCounted = counts === measure.counts
  const leftOut = leftOutOf(job)
  const isKept = leftOut.join('\n') === measure.leftOut.join('\n')
  report.different += Number(!isCounted) + Number(!isKept)
  const moments = [...killed].map(([moment, count]) => `${moment} ${count}`).join(', ')
  process.stdout.write(
    `${kind}: ${kills} kills (${moments}), ${stops} stops: ` +
      `${difference.lost.length} lost, ${difference.duplicate.length} duplicate, ` +
      `${difference.different.length} different${isCounted ? '' : `; it counts ${counts}`}` +
      `${isKept ? '' : `; it keeps ${leftOut.length} rows in place of ${measure.leftOut.length}`}\n`,
  )
  return isCounted && isKept && Object.values(difference).every((ids) => ids.length === 0)
}

/** What the summary says. */
function countsIn(said: string): string {
  return ['events', 'late', 'invalid', 'alerts', 'suppressed']
    .map((name) => `${name} ${new RegExp(`^${name} +([0-9,]+)`, 'm').exec(said)?.[1] ?? '-'}`)
    .join(', ')
}

process.exitCode = await main()
