import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hostScheduler } from '../app/host.ts'
import { RuleReloader } from '../app/rule-reloader.ts'
import { type RuleReload, RuleSet } from '../app/rule-set.ts'
import { RuleSource } from '../app/rule-source.ts'
import { RunMonitor } from '../app/run-monitor.ts'
import { connectors } from '../connectors/registry.ts'
import type { Source } from '../src/connector/source.ts'
import { createScannerDecoder } from '../src/decode/json-scanner.ts'
import { type JobAlert, runRuleJob } from '../src/rule/rule-job.ts'
import { neverStopped } from '../src/time/stop-signal.ts'
import { defaultWatermarkStrategy } from '../src/time/watermark-strategy.ts'
import { median } from './child-process.ts'
import { WatchedCheckpoints } from './watched-checkpoints.ts'

const usage = `usage: npm run bench:reload -- [--rules 1000] [--adds 40]
Runs that many rules over made-up payments, 500 a second, on RocksDB with a checkpoint each second, and
adds one rule after the other as \`tocsin run\` does: read, checked, tried on its own test, put in place.
Prints how long the thread of the stream was busy without a turn for anybody else, at most, from the moment
a rule is looked at until it runs, and in stretches that are as long without one: in time that passed, and in
processor time, which other work on the machine does not lengthen.
`

/** `npm run bench:reload`: see `usage`. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rules: { type: 'string', default: '1000' },
      adds: { type: 'string', default: '40' },
    },
  })
  const [rules, adds] = [Number(values.rules), Number(values.adds)]
  if (!(rules > 0 && adds > 0)) {
    process.stderr.write(usage)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  try {
    const result = await measure(folder, rules, adds)
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return 0
}

async function measure(folder: string, count: number, adds: number) {
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder)
  for (let i = 0; i < count; i++) writeFileSync(join(rulesFolder, `r${i}.yaml`), ruleText(i))
  const rules = new RuleSet(new RuleSource(rulesFolder, {}))
  const monitor = new RunMonitor({ now: () => Date.now(), checkpointAgeMsMax: null })
  const log = { format: 'json', info: () => {}, warn: () => {}, error: () => {} } as const
  const reloader = new RuleReloader({ rules, monitor, log })
  const checkpoints = new WatchedCheckpoints(folder, cacheBytes, hostScheduler)
  const turns: Turn[] = []
  const asked = new AbortController()
  const adding = new Promise<Stretches>((resolve, reject) => {
    monitor.onJobStarted(() => {
      const reload = async () => {
        await reloader.reload()
        return rules.lastReload
      }
      const added = addRules(rulesFolder, reload, turns, adds).finally(() => asked.abort())
      added.then(resolve, reject)
    })
  })
  const { events } = await runRuleJob({
    rules: rules.current,
    streams: new Map([['payments', { source: payments(), time }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: { now: () => Date.now() },
    scheduler: hostScheduler,
    deliver: (alerts: readonly JobAlert[]) => checkpoints.stage(alerts),
    onSuppressed: () => {},
    sideOutput: () => {},
    onExpressionError: () => {},
    onProgress: () => {},
    onStarted: (job) => monitor.jobStarted(job),
    stop: { ...neverStopped, asked: asked.signal },
    durability: checkpoints.durability,
  })
  const { reloads, others } = await adding
  await checkpoints.close()
  return {
    rules: count,
    events,
    added: rules.reloads.replaced,
    reload: figures(reloads, turns),
    other: figures(others, turns),
  }
}

const time = { field: ['ts'], unit: 'ms', watermarks: defaultWatermarkStrategy } as const
/** The default of `state.cache`. */
const cacheBytes = 256 * 1024 * 1024
/** Between two rules that are added. */
const restMs = 150

/** From and to, by `performance.now`. */
type Stretch = readonly [from: number, to: number]

interface Stretches {
  readonly reloads: readonly Stretch[]
  /** As long as those of reloads, and in between them. */
  readonly others: readonly Stretch[]
}

async function addRules(
  folder: string,
  reload: () => Promise<RuleReload | null>,
  turns: Turn[],
  adds: number,
): Promise<Stretches> {
  const reloads: Stretch[] = []
  const others: Stretch[] = []
  // At first everything is compiled.
  await sleep(2000)
  const watching = new AbortController()
  const watched = watchTurns(turns, watching.signal)
  for (let added = 0; added < adds; added++) {
    writeFileSync(join(folder, 'new.tmp'), ruleText(added, 'added-'))
    renameSync(join(folder, 'new.tmp'), join(folder, `added-${added}.yaml`))
    const from = performance.now()
    const reloaded = await reload()
    const to = performance.now()
    if (reloaded?.outcome !== 'replaced') throw new Error(reloaded?.problems.join('\n'))
    await sleep(restMs + to - from)
    reloads.push([from, to])
    others.push([to + restMs / 2, to + restMs / 2 + (to - from)])
  }
  watching.abort()
  await watched
  return { reloads, others }
}

/** The time between two turns of the thread: when it ended, how long it took, ms. */
interface Turn {
  readonly at: number
  readonly wallMs: number
  readonly cpuMs: number
}

async function watchTurns(turns: Turn[], until: AbortSignal): Promise<void> {
  const cpuNow = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
  let [wall, cpu] = [performance.now(), cpuNow()]
  while (!until.aborted) {
    await setImmediate()
    const [at, cpuAt] = [performance.now(), cpuNow()]
    turns.push({ at, wallMs: at - wall, cpuMs: cpuAt - cpu })
    wall = at
    cpu = cpuAt
  }
}

/** The longest turn of each stretch: the median, what nine in ten stay below, and the most. */
function figures(stretches: readonly Stretch[], turns: readonly Turn[]) {
  const longest = (figure: 'wallMs' | 'cpuMs') => {
    const pauses = stretches.map(([from, to]) =>
      turns
        .filter(({ at, wallMs }) => at >= from && at - wallMs <= to)
        .reduce((most, turn) => Math.max(most, turn[figure]), 0),
    )
    pauses.sort((a, b) => a - b)
    const p90 = pauses[Math.floor(0.9 * pauses.length)] ?? 0
    return { median: rounded(median(pauses)), p90: rounded(p90), max: rounded(pauses.at(-1) ?? 0) }
  }
  return { pause_ms: longest('wallMs'), pause_cpu_ms: longest('cpuMs') }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10
}

function payments(): Source {
  const options = { kind: 'payments', unbounded: true, rate: 500, events_per_second: 1000 }
  const source = connectors.get('generator')?.source?.create(options, { directory: '.' })
  if (source === undefined) throw new Error('there is a generator')
  return source
}

/** A rule for one of some hundred merchants, with a test of its own. */
function ruleText(index: number, prefix = ''): string {
  const merchant = `m${index % 400}`
  return `id: ${prefix}r${index}
from: payments
by: card
detect:
  within: 10m
  sequence:
    - { step: probe, where: 'amount < 20 && merchant == "${merchant}"' }
    - { step: drain, where: amount > 500 }
tests:
  - name: a charge under 20, then one over 500
    events:
      - { at: 0s, event: { card: c, merchant: ${merchant}, amount: 0.5 } }
      - { at: 1m, event: { card: c, merchant: m, amount: 501 } }
    expect: [{ by: { card: c } }]
`
}

process.exitCode = await main()
