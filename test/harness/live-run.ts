import { hostClock, hostScheduler } from '../../app/host.ts'
import type { Source } from '../../src/connector/source.ts'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import type { RejectedEvent } from '../../src/operator/side-output.ts'
import { type JobSummary, runRuleJob } from '../../src/rule/rule-job.ts'
import type { Alert } from '../../src/stream/alert.ts'
import {
  defaultWatermarkStrategy,
  type WatermarkStrategy,
} from '../../src/time/watermark-strategy.ts'
import { checked } from './split-run.ts'
import { waitUntil } from './wait-until.ts'

export interface LiveRunOptions extends Partial<WatermarkStrategy> {
  readonly source: Source
  /** YAML, over the stream `payments`; default: an alert for every event, by `k`. */
  readonly rules?: string
  /** The field with the time; default `ts`. */
  readonly timeField?: string
  readonly sorterCapBytes?: number
}

/** A job that runs on this machine's clock until it is stopped. */
export class LiveRun {
  readonly alerts: Alert[] = []
  readonly rejected: RejectedEvent[] = []
  /** What kept records from coming, and `over` when they came again. */
  readonly problems: string[] = []
  /** Read so far, but for those set aside. */
  events = 0
  readonly #job: Promise<JobSummary>
  readonly #stop = new AbortController()

  constructor(options: LiveRunOptions) {
    const {
      source,
      rules = everyPayment,
      timeField = 'ts',
      sorterCapBytes,
      ...watermarks
    } = options
    this.#job = runRuleJob({
      rules: checked(rules),
      streams: new Map([
        [
          'payments',
          {
            source,
            time: {
              field: [timeField],
              unit: 'ms',
              watermarks: { ...defaultWatermarkStrategy, ...watermarks },
            },
          },
        ],
      ]),
      createDecoder: createScannerDecoder,
      environment: { tables: new Map() },
      clock: hostClock,
      scheduler: hostScheduler,
      deliver: async (alerts) => {
        this.alerts.push(...alerts.map(({ alert }) => alert))
      },
      onSuppressed: () => undefined,
      sideOutput: (event) => this.rejected.push(event),
      onExpressionError: () => undefined,
      onProgress: ({ events }) => {
        this.events = events
      },
      onSourceProblem: (_, problem = 'over') => this.problems.push(problem),
      stop: { asked: this.#stop.signal, overdue: this.#stop.signal },
      ...(sorterCapBytes === undefined ? {} : { sorterCapBytes }),
    })
    // Whoever stops the run is told; until then a failure must not be "unhandled".
    this.#job.catch(() => undefined)
  }

  /** Waits for so many alerts. @throws what the job fails with */
  async until(alerts: number): Promise<void> {
    let failure: unknown = null
    this.#job.catch((error: unknown) => {
      failure = error
    })
    const done = () => failure !== null || this.alerts.length >= alerts
    await waitUntil(done, `there are ${alerts} alerts`, 30_000)
    if (failure !== null) throw failure
  }

  /** Ends the job with time where it is. */
  async stop(): Promise<JobSummary> {
    this.#stop.abort()
    return await this.#job
  }
}

const everyPayment = 'id: every\nfrom: payments\nby: k\ndetect: { event: {} }\n'
