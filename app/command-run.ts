import { type CheckedRule, type JobAlert, TocsinError } from '../src/index.ts'
import { AlertRouting } from './alert-routing.ts'
import { AlertWriter } from './alert-writer.ts'
import { type BoundedRun, runBounded } from './bounded-run.ts'
import type { CheckpointConfig, Config } from './config.ts'
import type { ControlSocket } from './control-socket.ts'
import { DurableDelivery, replayableStream } from './durable-delivery.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { type Interrupt, withInterrupt } from './interrupt.ts'
import { loadRulesToRun, surroundingsOf } from './load-rules.ts'
import { readConfig } from './read-config.ts'
import { jobStream } from './replay-streams.ts'
import { SideOutputFiles } from './side-output-files.ts'
import { ownStateFolder } from './state-folder.ts'
import { runSummary, summaryText } from './summary.ts'
import type { Terminal } from './terminal.ts'

export interface RunOptions {
  readonly config?: string
}

/**
 * `tocsin run`: the streams of the configuration through its rules to its sinks, until every
 * stream has ended. What was left out lies in the state folder afterwards.
 */
export function runCommand(options: RunOptions, terminal: Terminal): Promise<ExitCode> {
  return withInterrupt(terminal, (interrupt) => runStreams(options, terminal, interrupt))
}

async function runStreams(
  options: RunOptions,
  terminal: Terminal,
  interrupt: Interrupt,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const rules = loadRulesToRun(config.rulesPath, surroundingsOf(config))
  refuseUnbounded(config)
  const routing = new AlertRouting(config.sinks, rules, terminal)
  const { checkpoints, stateDirectory } = config
  const folder = await ownStateFolder(stateDirectory, (text) => terminal.say(text))
  let run: BoundedRun
  try {
    const isRaised = () => interrupt.isRaised() || folder.isLost()
    const job = { config, rules, routing, terminal, interrupt: { ...interrupt, isRaised } }
    const running =
      checkpoints === null
        ? runPlainly(job)
        : runDurably({ ...job, control: folder.control }, checkpoints)
    run = await Promise.race([running, folder.lost])
  } finally {
    await folder.close()
  }
  if (run.summary === null) return exitCodes.interrupted
  // A sink may be stdout: what a run has to say of itself is talk.
  const talk: Terminal = { ...terminal, colors: { ...terminal.colors, print: terminal.colors.say } }
  terminal.say(summaryText(runSummary(run.summary, run.elapsedMs), talk))
  return exitCodes.fine
}

interface RunToDo {
  readonly config: Config
  readonly rules: readonly CheckedRule[]
  readonly routing: AlertRouting
  readonly terminal: Terminal
  readonly interrupt: Interrupt
}

/** Alerts are written as they come; a file of them is shown at the end. */
async function runPlainly({ routing, ...job }: RunToDo): Promise<BoundedRun> {
  const { config, terminal } = job
  const delivery = new Delivery(config, routing)
  // Opened first: sinks may lie in the folder of the state.
  const sideOutput = new SideOutputFiles(config.stateDirectory)
  await delivery.open()
  try {
    const run = await runBounded({
      ...boundedOptions(job),
      deliver: (alerts) => delivery.write(alerts),
      sideOutput,
    })
    if (run.summary !== null) await delivery.close()
    else {
      await delivery.discard()
      terminal.say('interrupted; files of alerts are as they were\n')
    }
    return run
  } catch (error) {
    await delivery.discard().catch(() => undefined)
    throw error
  }
}

/** Alerts are shown with their checkpoints; the next run goes on from the last one. */
async function runDurably(
  { routing, control, ...job }: RunToDo & { readonly control: ControlSocket },
  checkpoints: CheckpointConfig,
): Promise<BoundedRun> {
  const { config, terminal } = job
  const { stateDirectory } = config
  const say = (text: string) => terminal.say(text)
  const sideOutput = new SideOutputFiles(stateDirectory, 'append')
  const delivery = new DurableDelivery(config.sinks, checkpoints, routing, say)
  const options = boundedOptions(job)
  const streams = [...options.streams].map(
    ([name, stream]) => [name, replayableStream(stream, stateDirectory)] as const,
  )
  try {
    const run = await runBounded({
      ...options,
      streams: new Map(streams),
      deliver: (alerts) => delivery.stage(alerts),
      sideOutput,
      durability: delivery.durability(config, checkpoints, sideOutput, say, control),
    })
    if (run.summary === null) say('interrupted; the next run goes on from the last checkpoint\n')
    return run
  } finally {
    await delivery.close()
  }
}

function boundedOptions({ config, rules, terminal, interrupt }: Omit<RunToDo, 'routing'>) {
  return {
    rules,
    streams: new Map(config.streams.map((stream) => [stream.name, jobStream(stream)])),
    terminal,
    interrupt,
    showsProgress: true,
    sorterCapBytes: config.sorterCapBytes,
  }
}

function refuseUnbounded({ streams }: Config): void {
  const endless = streams.find(({ source }) => !source.bounded)
  if (endless === undefined) return
  const message =
    `the stream ${endless.name} never ends (${endless.connector}): not yet; ` +
    'streams of file, stdin and generator can be run'
  throw new TocsinError('USAGE', message)
}

/** Hands alerts to sinks as they come. */
class Delivery {
  readonly #sinks: ReadonlyMap<string, AlertWriter>
  readonly #routing: AlertRouting

  constructor({ sinks }: Config, routing: AlertRouting) {
    this.#sinks = new Map(sinks.map(({ name, sink }) => [name, new AlertWriter(sink)]))
    this.#routing = routing
  }

  async open(): Promise<void> {
    for (const writer of this.#sinks.values()) await writer.open()
  }

  async write(alerts: readonly JobAlert[]): Promise<void> {
    for (const [name, own] of this.#routing.bySink(alerts)) await this.#sinks.get(name)?.write(own)
  }

  async close(): Promise<void> {
    for (const writer of this.#sinks.values()) await writer.close()
  }

  async discard(): Promise<void> {
    for (const writer of this.#sinks.values()) await writer.discard()
  }
}
