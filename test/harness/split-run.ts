import type { Source } from '../../src/connector/source.ts'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import type { EventCheck } from '../../src/expression/event-schema.ts'
import { type CheckedRule, loadCheckedRules } from '../../src/index.ts'
import type { RejectedEvent } from '../../src/operator/side-output.ts'
import {
  type JobProgress,
  type JobSummary,
  type RunningJob,
  runRuleJob,
} from '../../src/rule/rule-job.ts'
import type { SorterCapExceeded } from '../../src/runtime/sorter-cap.ts'
import type { Alert } from '../../src/stream/alert.ts'
import { ManualClock } from '../../src/time/clock.ts'
import type { TimeUnit } from '../../src/time/event-timestamp.ts'
import {
  defaultWatermarkStrategy,
  type WatermarkStrategy,
} from '../../src/time/watermark-strategy.ts'

export interface SplitRunStream extends Partial<WatermarkStrategy> {
  readonly source: Source
  /** Default `ms`. */
  readonly unit?: TimeUnit
  readonly check?: EventCheck
}

export interface SplitRunOptions {
  readonly clock?: ManualClock
  readonly sorterCapBytes?: number
  readonly rules?: readonly CheckedRule[]
  readonly to?: number
  readonly onStarted?: (job: RunningJob) => void
}

/** What a job did, in the order in which it did it. */
export interface SplitRun {
  readonly summary: JobSummary
  readonly alerts: readonly Alert[]
  readonly rejected: readonly RejectedEvent[]
  readonly exceeded: readonly SorterCapExceeded[]
  /** After each batch. */
  readonly progress: readonly JobProgress[]
  /** `stream/partition: problem`, and without one when it was over. */
  readonly problems: readonly string[]
}

/** A rule that alerts on every event of stream `s` with key `k`: alerts tell order and time. */
export const everyEvent = checked('id: every\nfrom: s\nby: k\ndetect: { event: {} }\n')

/** @throws {Error} with the problems of what is no rule */
export function checked(text: string): readonly CheckedRule[] {
  const { rules, problems } = loadCheckedRules([{ path: 'rule.yaml', text }])
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return rules
}

/** Runs rules over streams to their end; processing time passes only where the job waits. */
export async function runSplits(
  streams: Readonly<Record<string, SplitRunStream>>,
  {
    clock = new ManualClock(),
    rules = everyEvent,
    sorterCapBytes,
    to,
    onStarted,
  }: SplitRunOptions = {},
): Promise<SplitRun> {
  const alerts: Alert[] = []
  const rejected: RejectedEvent[] = []
  const exceeded: SorterCapExceeded[] = []
  const progress: JobProgress[] = []
  const problems: string[] = []
  const summary = await runRuleJob({
    rules,
    streams: new Map(Object.entries(streams).map(([name, stream]) => [name, jobStream(stream)])),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock,
    scheduler: {
      async sleep(milliseconds) {
        clock.set(clock.now() + milliseconds)
      },
    },
    deliver: async (delivered) => {
      alerts.push(...delivered.map(({ alert }) => alert))
    },
    onSuppressed: () => undefined,
    sideOutput: (event) => rejected.push(event),
    onExpressionError: () => undefined,
    onProgress: (each) => progress.push(each),
    onSourceProblem: ({ stream, partition }, problem = '') =>
      problems.push(`${stream}/${partition}: ${problem}`),
    onSorterCapExceeded: (each) => exceeded.push(each),
    ...(sorterCapBytes === undefined ? {} : { sorterCapBytes }),
    ...(to === undefined ? {} : { to }),
    ...(onStarted === undefined ? {} : { onStarted }),
  })
  return { summary, alerts, rejected, exceeded, progress, problems }
}

function jobStream({ source, unit = 'ms', check, ...watermarks }: SplitRunStream) {
  return {
    source,
    time: {
      field: ['ts'],
      unit,
      watermarks: { ...defaultWatermarkStrategy, ...watermarks },
      ...(check === undefined ? {} : { check }),
    },
  }
}

/** `stream/partition/offset@time` of the event of each alert, in order. */
export function positions(alerts: readonly Alert[]): string[] {
  return alerts.map(({ steps, eventTime }) => {
    const event = [...steps.values()].flat()[0]
    return `${event?.split.stream}/${event?.split.partition}/${event?.offset}@${eventTime}`
  })
}
