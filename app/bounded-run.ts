import {
  alertDocument,
  type CheckedRule,
  createScannerDecoder,
  type ExpressionErrorReport,
  type JobAlert,
  type JobProgress,
  type JobStream,
  type JobSummary,
  plainEventText,
  type RejectedEvent,
  redactingEventText,
  runRuleJob,
  type SorterCapExceeded,
} from '../src/index.ts'
import { hostClock, hostScheduler } from './host.ts'
import { ProgressBar } from './progress-bar.ts'
import type { SideOutputFiles } from './side-output-files.ts'
import { paint, type Terminal } from './terminal.ts'

export interface BoundedRunOptions {
  /** Disabled ones are left out. */
  readonly rules: readonly CheckedRule[]
  readonly streams: ReadonlyMap<string, JobStream>
  /** Stream → fields that are never shown. */
  readonly redact?: ReadonlyMap<string, readonly string[]>
  /** Takes the alerts of a batch, in order. */
  readonly deliver: (alerts: readonly JobAlert[]) => Promise<void>
  readonly sideOutput: SideOutputFiles | null
  readonly terminal: Terminal
  readonly showsProgress: boolean
  /** What sorters may hold, bytes; `null`, the default: 256 MiB. */
  readonly sorterCapBytes?: number | null
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

/** How long a batch that is under way may take after Ctrl-C, ms. */
const interruptGraceMs = 500

/**
 * Runs rules over streams to their end, or until the user asks to stop.
 * @throws {TocsinError} what a source or `deliver` throws
 */
export async function runBounded(options: BoundedRunOptions): Promise<BoundedRun> {
  const { rules, streams, redact = new Map(), sideOutput, terminal, from, to } = options
  const sorterCapBytes = options.sorterCapBytes ?? null
  const shown = [...redact.values()].some((fields) => fields.length > 0)
  const eventText = shown ? redactingEventText(redact) : plainEventText
  const progress = new ProgressBar(terminal)
  const said = new Set<string>()
  let firstDeadLetter: RejectedEvent | null = null
  const warn = (text: string) => {
    progress.clear()
    terminal.say(`${paint('warning:', 'yellow', terminal.colors.say)} ${text}\n`)
  }
  const interrupt = watchInterrupt(terminal)
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
      sideOutput: (rejected) => {
        if (rejected.kind === 'dead_letter') firstDeadLetter ??= rejected
        sideOutput?.rejected(rejected)
      },
      onExpressionError: (report) => {
        const text = expressionErrorText(report)
        if (said.has(text)) return
        said.add(text)
        warn(text)
      },
      onSorterCapExceeded: (exceeded) => warn(sorterCapText(exceeded)),
      onProgress: (state) => {
        if (options.showsProgress) progress.show(state)
        options.onProgress?.(state)
      },
      isStopped: interrupt.isRaised,
      eventText,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(sorterCapBytes === null ? {} : { sorterCapBytes }),
    })
    const summary = await Promise.race([job, interrupt.isOver])
    if (summary?.events === 0 && firstDeadLetter !== null) warn(onlyDeadLetters(firstDeadLetter))
    return {
      summary: interrupt.isRaised() ? null : summary,
      elapsedMs: performance.now() - startedAt,
    }
  } finally {
    interrupt.end()
    progress.clear()
    sideOutput?.close()
  }
}

interface Interrupt {
  isRaised(): boolean
  /** Resolves some time after it is raised: a source that waits does not see it. */
  readonly isOver: Promise<null>
  end(): void
}

function watchInterrupt(terminal: Terminal): Interrupt {
  let raised = false
  let timer: NodeJS.Timeout | undefined
  let stop = () => {}
  const isOver = new Promise<null>((resolve) => {
    stop = terminal.onInterrupt(() => {
      raised = true
      // A second Ctrl-C ends the process at once.
      stop()
      timer = setTimeout(() => resolve(null), interruptGraceMs)
    })
  })
  return {
    isRaised: () => raised,
    isOver,
    end: () => {
      stop()
      clearTimeout(timer)
    },
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

/** Several predicates of a rule may fail on one event: that is one text. */
function expressionErrorText({ rules, stream, partition, offset }: ExpressionErrorReport): string {
  const what = rules.length === 1 ? `rule ${rules[0]}` : `rules ${rules.join(', ')}`
  return (
    `${what}: an expression has no value for event ${stream}/${partition}/${offset} ` +
    '(a field is missing or of another type); that counts as false, and further ones are only counted'
  )
}
