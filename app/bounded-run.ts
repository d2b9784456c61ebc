import {
  alertDocument,
  type CheckedRule,
  createScannerDecoder,
  type ExpressionErrorReport,
  eventTextOf,
  type JobAlert,
  type JobProgress,
  type JobStream,
  type JobSummary,
  runRuleJob,
} from '../src/index.ts'
import { hostClock, hostScheduler } from './host.ts'
import type { Interrupt } from './interrupt.ts'
import { ProgressBar } from './progress-bar.ts'
import type { SideOutputFiles } from './side-output-files.ts'
import { paint, type Terminal } from './terminal.ts'

export interface BoundedRunOptions {
  /** Disabled ones are left out. */
  readonly rules: readonly CheckedRule[]
  readonly streams: ReadonlyMap<string, JobStream>
  /** Takes the alerts of a batch, in order. */
  readonly deliver: (alerts: readonly JobAlert[]) => Promise<void>
  readonly sideOutput: SideOutputFiles | null
  readonly terminal: Terminal
  readonly interrupt: Interrupt
  readonly showsProgress: boolean
  /** Called after each batch, once its alerts are delivered. */
  readonly onProgress?: (progress: JobProgress) => void
  /** Only events in [from, to) count, epoch ms. */
  readonly from?: number
  readonly to?: number
}

export interface BoundedRun {
  /** `null`: the user asked to stop. */
  readonly summary: JobSummary | null
  readonly elapsedMs: number
}

/**
 * Runs rules over streams to their end, or until the user asks to stop.
 * @throws {TocsinError} what a source or `deliver` throws
 */
export async function runBounded(options: BoundedRunOptions): Promise<BoundedRun> {
  const { rules, streams, sideOutput, terminal, interrupt, from, to } = options
  const eventText = eventTextOf(rules)
  const progress = new ProgressBar(terminal)
  const startedAt = performance.now()
  try {
    const job = runRuleJob({
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
      sideOutput: (rejected) => sideOutput?.rejected(rejected),
      onExpressionError: (report) => {
        progress.clear()
        const label = paint('warning:', 'yellow', terminal.colors.say)
        terminal.say(`${label} ${expressionErrorText(report)}\n`)
      },
      onProgress: (state) => {
        if (options.showsProgress) progress.show(state)
        options.onProgress?.(state)
      },
      isStopped: interrupt.isRaised,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    })
    const summary = await Promise.race([job, interrupt.isOver])
    return {
      summary: interrupt.isRaised() ? null : summary,
      elapsedMs: performance.now() - startedAt,
    }
  } finally {
    progress.clear()
    sideOutput?.close()
  }
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
