import type { StopSignal } from '../src/index.ts'
import { AlertRouting } from './alert-routing.ts'
import { runDurably } from './durable-run.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { withInterrupt } from './interrupt.ts'
import type { JobRun } from './job-run.ts'
import { loadRulesToRun, surroundingsOf } from './load-rules.ts'
import { talkLog } from './log.ts'
import { runPlainly } from './plain-run.ts'
import { readConfig } from './read-config.ts'
import type { RunDone } from './run-to-do.ts'
import { ownStateFolder, type StateFolder } from './state-folder.ts'
import { runSummary, summaryText } from './summary.ts'
import type { Terminal } from './terminal.ts'

export interface RunOptions {
  readonly config?: string
}

/** How long a run that is to stop may wait for its last checkpoint and its sinks, ms. */
const stopGraceMs = 7000

/**
 * `tocsin run`: the streams of the configuration through its rules to its sinks, until every
 * stream has ended or it is asked to stop. What was left out lies in the state folder.
 */
export function runCommand(options: RunOptions, terminal: Terminal): Promise<ExitCode> {
  return withInterrupt(terminal, (stop) => runStreams(options, terminal, stop), stopGraceMs)
}

async function runStreams(
  options: RunOptions,
  terminal: Terminal,
  stop: StopSignal,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const rules = loadRulesToRun(config.rulesPath, surroundingsOf(config))
  const routing = new AlertRouting(config.sinks, rules, terminal)
  const folder = await ownStateFolder(config.stateDirectory, (text) => terminal.say(text))
  try {
    const todo = { config, rules, routing, terminal, log: talkLog(terminal) }
    const { exitCode, run } = await runWhileOwned(folder, stop, (own) =>
      config.checkpoints === null
        ? runPlainly({ ...todo, stop: own })
        : runDurably({ ...todo, stop: own, control: folder.control }, config.checkpoints),
    )
    if (exitCode !== exitCodes.interrupted) saySummary(run, terminal)
    return exitCode
  } finally {
    await folder.close()
  }
}

/** An instance that has lost its state folder ends at once, and leaves no checkpoint there. */
async function runWhileOwned(
  { lost }: StateFolder,
  stop: StopSignal,
  work: (stop: StopSignal) => Promise<RunDone>,
): Promise<RunDone> {
  const gone = new AbortController()
  lost.catch(() => gone.abort())
  const asked = AbortSignal.any([stop.asked, gone.signal])
  const overdue = AbortSignal.any([stop.overdue, gone.signal])
  return await Promise.race([work({ asked, overdue }), lost])
}

/** A sink may be stdout: what a run has to say of itself is talk. */
function saySummary({ summary, elapsedMs }: JobRun, terminal: Terminal): void {
  const talk: Terminal = { ...terminal, colors: { ...terminal.colors, print: terminal.colors.say } }
  terminal.say(summaryText(runSummary(summary, elapsedMs), talk))
}
