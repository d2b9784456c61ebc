import { doneBefore, type StopSignal } from '../src/index.ts'
import { AlertRouting } from './alert-routing.ts'
import type { Config } from './config.ts'
import { runDurably } from './durable-run.ts'
import { type ExitCode, exitCodeOf, exitCodes } from './exit-code.ts'
import { hostClock } from './host.ts'
import { withInterrupt } from './interrupt.ts'
import type { JobRun } from './job-run.ts'
import { InvalidInput, surroundingsOf } from './load-rules.ts'
import { jsonLog, type Log, type LogFormat, talkLog } from './log.ts'
import { runPlainly } from './plain-run.ts'
import { readConfig } from './read-config.ts'
import { RuleReloader } from './rule-reloader.ts'
import { RuleSet } from './rule-set.ts'
import { RuleSource } from './rule-source.ts'
import { RuleWatcher } from './rule-watcher.ts'
import { openRunApi } from './run-api.ts'
import { RunMonitor } from './run-monitor.ts'
import { isBounded, type RunDone, type RunToDo } from './run-to-do.ts'
import { ownStateFolder, type StateFolder } from './state-folder.ts'
import { runSummary, summaryText } from './summary.ts'
import type { Terminal } from './terminal.ts'

export interface RunOptions {
  readonly config?: string
  /** Default: `json` for a run that stays while stderr is no terminal; else `pretty`. */
  readonly logFormat?: LogFormat
}

/** How long a run that is to stop may wait for its last checkpoint and its sinks, ms. */
const stopGraceMs = 7000

/**
 * `tocsin run`: the streams of the configuration through its rules to its sinks, until every
 * stream has ended or it is asked to stop. What was left out lies in the state folder.
 */
export function runCommand(options: RunOptions, terminal: Terminal): Promise<ExitCode> {
  return withInterrupt(terminal, (stop) => runLogged(options, terminal, stop), stopGraceMs)
}

/** What it fails with is a line of the log like all others. */
async function runLogged(
  options: RunOptions,
  terminal: Terminal,
  stop: StopSignal,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const isTalk = isBounded(config) || terminal.progressColumns !== null
  const format = options.logFormat ?? (isTalk ? 'pretty' : 'json')
  if (format === 'pretty') {
    return await runStreams(config, terminal, stop, talkLog(terminal))
  }
  const log = jsonLog(terminal, config.conceal)
  try {
    return await runStreams(config, { ...terminal, progressColumns: null }, stop, log)
  } catch (error) {
    logFailure(error, log)
    return exitCodeOf(error)
  }
}

function logFailure(error: unknown, log: Log): void {
  if (error instanceof InvalidInput) {
    for (const { message, ...place } of error.problems) log.error(message, place)
    return
  }
  const { code, message, stack } = error as Error & { readonly code?: string }
  log.error(message, code === undefined || code === 'ASSERTION' ? { stack } : { code })
}

async function runStreams(
  config: Config,
  terminal: Terminal,
  stop: StopSignal,
  log: Log,
): Promise<ExitCode> {
  const stays = !isBounded(config)
  const rules = new RuleSet(new RuleSource(config.rulesPath, surroundingsOf(config), stays))
  if (rules.current.length === 0) {
    log.info(
      `there is no rule in ${config.rulesPath} yet: one that is put there is taken up at once`,
    )
  }
  const routing = new AlertRouting(config.sinks, rules.current, log)
  const { checkpoints } = config
  const monitor = new RunMonitor({
    now: () => hostClock.now(),
    checkpointAgeMsMax: checkpoints === null ? null : Math.max(30_000, 10 * checkpoints.intervalMs),
  })
  stop.asked.addEventListener('abort', () => monitor.stopping(), { once: true })
  const folder = await ownStateFolder(config.stateDirectory, (text) => log.info(text.trimEnd()))
  try {
    const todo = { config, rules, routing, terminal, log, monitor, stop }
    // A SIGHUP that nobody listens for ends the process: whoever sees it there may send one.
    const unwatch = isBounded(config) ? () => undefined : await watchRules(todo)
    try {
      const api = await openRunApi(todo)
      try {
        const { exitCode, run } = await runWhileOwned(folder, todo)
        if (exitCode !== exitCodes.interrupted) tellSummary(run, todo)
        return exitCode
      } finally {
        if (api !== null) await doneBefore(stop.overdue, api.close())
      }
    } finally {
      unwatch()
    }
  } finally {
    await folder.close()
  }
}

/** Has the job go on with the rules on disk whenever they change; gives what ends that. */
async function watchRules(todo: RunToDo): Promise<() => void> {
  const reloader = new RuleReloader(todo)
  const reload = () => void reloader.reload()
  const watcher = new RuleWatcher({ path: todo.config.rulesPath, onChange: reload })
  await watcher.start()
  // They may have changed while it started.
  todo.monitor.onJobStarted(reload)
  const unhook = todo.terminal.onHangup?.(reload)
  return () => {
    unhook?.()
    watcher.close()
  }
}

/** An instance that has lost its state folder ends at once, and leaves no checkpoint there. */
async function runWhileOwned(folder: StateFolder, todo: RunToDo): Promise<RunDone> {
  const { lost, control } = folder
  const { config, stop } = todo
  const gone = new AbortController()
  lost.catch(() => gone.abort())
  const asked = AbortSignal.any([stop.asked, gone.signal])
  const overdue = AbortSignal.any([stop.overdue, gone.signal])
  const own = { ...todo, stop: { asked, overdue } }
  const running =
    config.checkpoints === null
      ? runPlainly(own)
      : runDurably({ ...own, control }, config.checkpoints)
  return await Promise.race([running, lost])
}

/** A sink may be stdout: what a run has to say of itself is talk. */
function tellSummary({ summary, elapsedMs }: JobRun, { terminal, log }: RunToDo): void {
  const told = runSummary(summary, elapsedMs)
  if (log.format === 'json') {
    log.info('summary', { summary: told })
    return
  }
  const talk: Terminal = { ...terminal, colors: { ...terminal.colors, print: terminal.colors.say } }
  terminal.say(summaryText(told, talk))
}
