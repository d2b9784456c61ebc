import { type EventText, Redaction, redactingEventText, type StopSignal } from '../src/index.ts'
import type { AlertRouting } from './alert-routing.ts'
import type { Config } from './config.ts'
import type { ExitCode } from './exit-code.ts'
import type { JobRun, JobRunOptions } from './job-run.ts'
import type { Log } from './log.ts'
import { jobStream } from './replay-streams.ts'
import type { RuleSet } from './rule-set.ts'
import type { RunMonitor } from './run-monitor.ts'
import type { Terminal } from './terminal.ts'

/** A configuration that is to be run, with all that it takes. */
export interface RunToDo {
  readonly config: Config
  readonly rules: RuleSet
  readonly routing: AlertRouting
  readonly terminal: Terminal
  readonly stop: StopSignal
  readonly log: Log
  readonly monitor: RunMonitor
}

/** A run that has come to its end, and what that means to a shell. */
export interface RunDone {
  readonly exitCode: ExitCode
  readonly run: JobRun
}

/** What a job is told, however it is run. */
export function jobRunOptions({ config, rules, terminal, stop, log, monitor }: RunToDo) {
  return {
    rules: rules.current,
    eventText: eventTextOf(config),
    streams: new Map(config.streams.map((stream) => [stream.name, jobStream(stream)])),
    terminal,
    stop,
    log,
    onStarted: (job) => monitor.jobStarted(job),
    onSourceProblem: (split, problem) => monitor.sourceProblem(split, problem),
    showsProgress: isBounded(config),
    sorterCapBytes: config.sorterCapBytes,
  } satisfies Partial<JobRunOptions>
}

/** Whether all streams end. */
export function isBounded({ streams }: Config): boolean {
  return streams.every(({ source }) => source.bounded)
}

/** Shows events of all streams without what they redact: rules may be others later. */
function eventTextOf({ streams }: Config): EventText {
  const redacting = streams.filter(({ redact }) => redact.length > 0)
  return redactingEventText(
    new Map(redacting.map(({ name, redact }) => [name, new Redaction(redact)])),
  )
}
