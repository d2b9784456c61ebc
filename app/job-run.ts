import {
  alertDocument,
  type CheckedRule,
  createScannerDecoder,
  type EventText,
  type ExpressionErrorReport,
  eventTextOf,
  type JobAlert,
  type JobDurability,
  type JobProgress,
  type JobStream,
  type JobSummary,
  type RejectedEvent,
  type RunningJob,
  runRuleJob,
  type SorterCapExceeded,
  type StopSignal,
} from '../src/index.ts'
import { hostClock, hostScheduler } from './host.ts'
import { type Log, talkLog } from './log.ts'
import { ProgressBar } from './progress-bar.ts'
import type { SideOutputKeeper } from './side-output-store.ts'
import { SourceProblems } from './source-problems.ts'
import type { Terminal } from './terminal.ts'

export interface JobRunOptions {
  /** Disabled ones are left out. */
  readonly rules: readonly CheckedRule[]
  readonly streams: ReadonlyMap<string, JobStream>
  /** Takes the alerts of a batch, in order. */
  readonly deliver: (alerts: readonly JobAlert[]) => Promise<void>
  readonly sideOutput: SideOutputKeeper | null
  /** Called between batches of a run without checkpoints. */
  readonly betweenBatches?: () => Promise<void> | undefined
  readonly terminal: Terminal
  readonly stop: StopSignal
  /** Default: what is said goes to the terminal. */
  readonly log?: Log
  readonly showsProgress: boolean
  /** What sorters may hold, bytes; `null`, the default: 256 MiB. */
  readonly sorterCapBytes?: number | null
  /** How the job survives its process; default: not at all. */
  readonly durability?: JobDurability
  /** How events are shown in what is suppressed; default: as these rules may. */
  readonly eventText?: EventText
  readonly onStarted?: (job: RunningJob) => void
  /** Told what keeps records of `STREAM/PARTITION` from coming; undefined: they come again. */
  readonly onSourceProblem?: (split: string, problem: string | undefined) => void
  /** Called after each batch, once its alerts are delivered. */
  readonly onProgress?: (progress: JobProgress) => void
  /** Only events in [from, to) count, epoch ms. */
  readonly from?: number
  readonly to?: number
}

export interface JobRun {
  readonly summary: JobSummary
  readonly elapsedMs: number
}

/**
 * Runs rules over streams to their end, or until the user asks to stop: the summary says which.
 * @throws {TocsinError} what a source or `deliver` throws
 */
export async function runJob(options: JobRunOptions): Promise<JobRun> {
  const { rules, streams, sideOutput, terminal, from, to } = options
  const sorterCapBytes = options.sorterCapBytes ?? null
  const eventText = options.eventText ?? eventTextOf(rules)
  const progress = new ProgressBar(terminal)
  let firstDeadLetter: RejectedEvent | null = null
  const log = options.log ?? talkLog(terminal)
  const warn = (text: string) => {
    progress.clear()
    log.warn(text)
  }
  const sourceProblems = new SourceProblems({ warn, info: (text) => log.info(text) })
  const startedAt = performance.now()
  try {
    const summary = await runRuleJob({
      rules: rules.filter(({ rule }) => rule.mode !== 'disabled'),
      streams,
      createDecoder: createScannerDecoder,
      environment: { tables: new Map() },
      clock: hostClock,
      scheduler: hostScheduler,
      deliver: options.deliver,
      onSuppressed: (suppressed) => {
        sideOutput?.suppressed(suppressed, alertDocument(suppressed.alert, eventText))
      },
      sideOutput: (rejected) => {
        if (rejected.kind === 'dead_letter') firstDeadLetter ??= rejected
        sideOutput?.rejected(rejected)
      },
      onExpressionError: (report) => {
        warn(expressionErrorText(report))
      },
      onSourceProblem: ({ stream, partition }, problem) => {
        options.onSourceProblem?.(`${stream}/${partition}`, problem)
        sourceProblems.note(stream, partition, problem)
      },
      onSorterCapExceeded: (exceeded) => warn(sorterCapText(exceeded)),
      onProgress: (state) => {
        if (options.showsProgress) progress.show(state)
        options.onProgress?.(state)
      },
      stop: options.stop,
      onStarted: (job) => options.onStarted?.(job),
      onSourceRetry: ({ message }, waitMs) => warn(`${message}; trying again in ${waitMs} ms`),
      ...(options.betweenBatches === undefined ? {} : { betweenBatches: options.betweenBatches }),
      ...(options.durability === undefined ? {} : { durability: options.durability }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(sorterCapBytes === null ? {} : { sorterCapBytes }),
    })
    if (summary.events === 0 && firstDeadLetter !== null) warn(onlyDeadLetters(firstDeadLetter))
    return { summary, elapsedMs: performance.now() - startedAt }
  } finally {
    progress.clear()
  }
}

/** Most likely a wrong file, or a wrong time field. */
function onlyDeadLetters({ stream, partition, offset, reason }: RejectedEvent): string {
  return `no record was an event; the first dead letter is ${stream}/${partition}/${offset}: ${reason}`
}

function sorterCapText({ bufferedBytes, capBytes }: SorterCapExceeded): string {
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  return (
    `${mebibytes(bufferedBytes)} of events wait to be put in order of time, more than state.sorter_cap ` +
    `(${mebibytes(capBytes)}), and pausing partitions does not help: out_of_orderness holds them`
  )
}

/** The first error of a condition: the summary has how many came. */
function expressionErrorText(report: ExpressionErrorReport): string {
  const { rule, place, expression, reasons, location, stream, partition, offset } = report
  const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
  return (
    `${location.file}:${location.line}:${location.column}: rule ${rule}, ${place}: ` +
    `\`${expression}\` has no value for event ${stream}/${partition}/${offset}${why}; ` +
    'that counts as false, and further ones are only counted'
  )
}
