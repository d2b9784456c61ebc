import { AlertRouting } from './alert-routing.ts'
import { runDurably } from './durable-run.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { type Interrupt, withInterrupt } from './interrupt.ts'
import type { JobRun } from './job-run.ts'
import { loadRulesToRun, surroundingsOf } from './load-rules.ts'
import { talkLog } from './log.ts'
import { runPlainly } from './plain-run.ts'
import { readConfig } from './read-config.ts'
import type { RunToDo } from './run-to-do.ts'
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
  return withInterrupt(
    terminal,
    (interrupt) => runStreams(options, terminal, interrupt),
    stopGraceMs,
  )
}

async function runStreams(
  options: RunOptions,
  terminal: Terminal,
  interrupt: Interrupt,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const rules = loadRulesToRun(config.rulesPath, surroundingsOf(config))
  const routing = new AlertRouting(config.sinks, rules, terminal)
  const job: RunToDo = { config, rules, routing, terminal, interrupt, log: talkLog(terminal) }
  const { exitCode, run } =
    config.checkpoints === null ? await runPlainly(job) : await runDurably(job, config.checkpoints)
  if (exitCode !== exitCodes.interrupted) saySummary(run, terminal)
  return exitCode
}

/** A sink may be stdout: what a run has to say of itself is talk. */
function saySummary({ summary, elapsedMs }: JobRun, terminal: Terminal): void {
  const talk: Terminal = { ...terminal, colors: { ...terminal.colors, print: terminal.colors.say } }
  terminal.say(summaryText(runSummary(summary, elapsedMs), talk))
}
