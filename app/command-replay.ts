import {
  type CheckedRule,
  isoTimeExpected,
  type JobStream,
  parseISOTime,
  type StopSignal,
  TocsinError,
} from '../src/index.ts'
import { AlertCollection, compareAlerts, comparisonText } from './alert-comparison.ts'
import { alertFile } from './alert-writer.ts'
import type { Config } from './config.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { withInterrupt } from './interrupt.ts'
import { type JobRun, type JobRunOptions, runJob } from './job-run.ts'
import { loadRulesToRun, surroundingsOf } from './load-rules.ts'
import { refuseToOverwrite } from './output-check.ts'
import { readConfig } from './read-config.ts'
import { type ReplayInputs, replayStreams } from './replay-streams.ts'
import { SideOutputFiles } from './side-output-files.ts'
import { runSummary, summaryText } from './summary.ts'
import type { Terminal } from './terminal.ts'

export interface ReplayOptions {
  readonly config?: string
  readonly rules?: string
  readonly input?: readonly string[]
  readonly time?: string
  readonly outOfOrderness?: string
  readonly from?: string
  readonly to?: string
  readonly against?: string
  readonly output?: string
  readonly sideOutput?: string
  readonly format: 'pretty' | 'json'
}

/** `tocsin replay`: a bounded run whose alerts go to a file, closed by a summary. */
export function replayCommand(options: ReplayOptions, terminal: Terminal): Promise<ExitCode> {
  return withInterrupt(terminal, (stop) => runReplay(options, terminal, stop))
}

async function runReplay(
  options: ReplayOptions,
  terminal: Terminal,
  stop: StopSignal,
): Promise<ExitCode> {
  const replay = { ...prepare(options, terminal), stop }
  const rulesPath = options.rules ?? replay.config?.rulesPath ?? 'rules/'
  refuseToOverwrite(options.output, options.input ?? [], rulesPath)
  const writer = options.output === undefined ? null : alertFile(options.output)
  await writer?.open()
  const found = options.against === undefined ? null : new AlertCollection()
  const sideOutput =
    options.sideOutput === undefined ? null : new SideOutputFiles(options.sideOutput)
  let run: JobRun
  try {
    run = await runJob({
      ...replay,
      sideOutput,
      deliver: async (alerts) => {
        found?.add(alerts)
        await writer?.write(alerts)
      },
    })
    if (run.summary.end === 'ended') await writer?.close()
  } catch (error) {
    await writer?.discard().catch(() => undefined)
    throw error
  } finally {
    sideOutput?.close()
  }
  if (run.summary.end !== 'ended') {
    await writer?.discard()
    return sayInterrupted(options.output, terminal)
  }
  const summary = runSummary(run.summary, run.elapsedMs)
  const comparison = found === null ? null : await compare(found, options, replay)
  if (comparison === 'interrupted') return sayInterrupted(undefined, terminal)
  if (options.format === 'json') {
    const document = comparison === null ? summary : { ...summary, against: comparison }
    terminal.print(`${JSON.stringify(document, null, 2)}\n`)
  } else {
    terminal.print(summaryText(summary, terminal))
    if (comparison !== null) terminal.print(`\n${comparisonText(comparison, terminal)}`)
  }
  return exitCodes.fine
}

type Replay = Omit<JobRunOptions, 'deliver' | 'sideOutput'> & {
  readonly config: Config | null
  /** All that could be read: opened again, it gives the same records. */
  readonly declared: ReadonlyMap<string, JobStream>
}

function prepare(options: ReplayOptions, terminal: Terminal): Omit<Replay, 'stop'> {
  const inputs: ReplayInputs = {
    inputs: options.input ?? [],
    time: options.time,
    outOfOrderness: options.outOfOrderness,
  }
  const needsConfig = options.config !== undefined || inputs.inputs.length === 0
  const config = needsConfig ? readConfig(options.config, terminal) : null
  const from = timeOf('--from', options.from)
  const to = timeOf('--to', options.to)
  if (from !== undefined && to !== undefined && from >= to) {
    throw new TocsinError('USAGE', '--from must be before --to')
  }
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  const declared = replayStreams(inputs, config, range)
  if (options.against !== undefined && inputs.inputs.some((input) => input.endsWith('=-'))) {
    throw new TocsinError('USAGE', '--against reads its input twice; stdin can be read only once')
  }
  const rulesPath = options.rules ?? config?.rulesPath ?? 'rules/'
  const rules = rulesOver(declared, loadRulesToRun(rulesPath, surroundings(config)), terminal)
  return {
    rules,
    streams: streamsOf(rules, declared),
    declared,
    terminal,
    showsProgress: true,
    sorterCapBytes: config?.sorterCapBytes ?? null,
    config,
    ...range,
  }
}

function surroundings(config: Config | null) {
  return config === null ? {} : surroundingsOf(config)
}

/** The rules all of whose streams are here: of another stream there would be no events. */
function rulesOver(
  streams: ReadonlyMap<string, JobStream>,
  rules: readonly CheckedRule[],
  terminal: Terminal,
): CheckedRule[] {
  const isHere = ({ rule }: CheckedRule) => rule.from.every((name) => streams.has(name))
  const left = rules.filter((checked) => !isHere(checked))
  if (left.length === 0) return [...rules]
  const missing = new Set(
    left.flatMap(({ rule }) => rule.from.filter((name) => !streams.has(name))),
  )
  const names = [...missing].map((name) => `--input ${name}=FILE`).join(' ')
  if (left.length === rules.length) {
    const given = [...streams.keys()].join(', ')
    const message = `no rule reads only ${given}; add ${names}`
    throw new TocsinError('USAGE', message)
  }
  const ids = left.map(({ rule }) => rule.id).join(', ')
  terminal.say(`left out: ${ids}; to run them too, add ${names}\n`)
  return rules.filter(isHere)
}

/** Streams that no rule reads are not read. */
function streamsOf(
  rules: readonly CheckedRule[],
  streams: ReadonlyMap<string, JobStream>,
): Map<string, JobStream> {
  const used = new Set(rules.flatMap(({ rule }) => rule.from))
  return new Map([...streams].filter(([name]) => used.has(name)))
}

/** Runs the other rules over the same input. */
async function compare(found: AlertCollection, options: ReplayOptions, replay: Replay) {
  const { config, declared, terminal } = replay
  const others = loadRulesToRun(options.against as string, surroundings(config))
  const rules = rulesOver(declared, others, terminal)
  const against = new AlertCollection()
  const run = await runJob({
    ...replay,
    rules,
    streams: streamsOf(rules, declared),
    sideOutput: null,
    deliver: async (alerts) => against.add(alerts),
  })
  return run.summary.end !== 'ended' ? 'interrupted' : compareAlerts(found, against)
}

function sayInterrupted(output: string | undefined, terminal: Terminal): ExitCode {
  const file = output === undefined ? '' : `; ${output} is as it was`
  terminal.say(`interrupted${file}\n`)
  return exitCodes.interrupted
}

/** Epoch ms of a time on the command line: ISO 8601, or epoch milliseconds. */
function timeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^-?\d+$/.test(text)) return Number(text)
  const time = parseISOTime(text)
  if ('ms' in time) return time.ms
  const message = `${option} ${text}: expected epoch milliseconds, or ${isoTimeExpected}`
  throw new TocsinError('USAGE', message)
}
