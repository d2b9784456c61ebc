import { type CheckedRule, type JobAlert, TocsinError } from '../src/index.ts'
import { AlertWriter } from './alert-writer.ts'
import { type BoundedRun, runBounded } from './bounded-run.ts'
import type { Config } from './config.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { type Interrupt, withInterrupt } from './interrupt.ts'
import { loadRulesToRun, surroundingsOf } from './load-rules.ts'
import { readConfig } from './read-config.ts'
import { jobStream } from './replay-streams.ts'
import { SideOutputFiles } from './side-output-files.ts'
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
  const delivery = new Delivery(config, rules, terminal)
  // Opened first: sinks may lie in the folder of the state.
  const sideOutput = new SideOutputFiles(config.stateDirectory)
  await delivery.open()
  let run: BoundedRun
  try {
    run = await runBounded({
      rules,
      streams: new Map(config.streams.map((stream) => [stream.name, jobStream(stream)])),
      deliver: (alerts) => delivery.write(alerts),
      sideOutput,
      terminal,
      interrupt,
      showsProgress: true,
      sorterCapBytes: config.sorterCapBytes,
    })
    if (run.summary !== null) await delivery.close()
  } catch (error) {
    await delivery.discard().catch(() => undefined)
    throw error
  }
  if (run.summary === null) {
    await delivery.discard()
    terminal.say('interrupted; files of alerts are as they were\n')
    return exitCodes.interrupted
  }
  // A sink may be stdout: what a run has to say of itself is talk.
  const talk: Terminal = { ...terminal, colors: { ...terminal.colors, print: terminal.colors.say } }
  terminal.say(summaryText(runSummary(run.summary, run.elapsedMs), talk))
  return exitCodes.fine
}

function refuseUnbounded({ streams }: Config): void {
  const endless = streams.find(({ source }) => !source.bounded)
  if (endless === undefined) return
  const message =
    `the stream ${endless.name} never ends (${endless.connector}): not yet; ` +
    'streams of file, stdin and generator can be run'
  throw new TocsinError('USAGE', message)
}

/** Hands alerts to the sinks that their rules name; those of shadow rules reach none. */
class Delivery {
  readonly #sinks: ReadonlyMap<string, AlertWriter>
  readonly #defaults: readonly string[]

  constructor({ sinks }: Config, rules: readonly CheckedRule[], terminal: Terminal) {
    this.#sinks = new Map(sinks.map(({ name, sink }) => [name, new AlertWriter(sink)]))
    this.#defaults = sinks.filter(({ isDefault }) => isDefault).map(({ name }) => name)
    const unheard = rules.filter(({ rule }) => rule.mode === 'live' && rule.alert.to === null)
    if (this.#defaults.length === 0 && unheard.length > 0) {
      const ids = unheard.map(({ rule }) => rule.id).join(', ')
      terminal.say(`warning: no sink is marked default, and these rules name none: ${ids}\n`)
    }
  }

  async open(): Promise<void> {
    for (const writer of this.#sinks.values()) await writer.open()
  }

  async write(alerts: readonly JobAlert[]): Promise<void> {
    const bySink = new Map<string, JobAlert[]>()
    for (const each of alerts) {
      if (each.alert.mode === 'shadow') continue
      for (const name of each.alert.to ?? this.#defaults) {
        const own = bySink.get(name)
        if (own === undefined) bySink.set(name, [each])
        else own.push(each)
      }
    }
    for (const [name, own] of bySink) await this.#sinks.get(name)?.write(own)
  }

  async close(): Promise<void> {
    for (const writer of this.#sinks.values()) await writer.close()
  }

  async discard(): Promise<void> {
    for (const writer of this.#sinks.values()) await writer.discard()
  }
}
