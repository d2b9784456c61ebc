import type {
  CompletedCheckpoint,
  ConnectorError,
  JobMetrics,
  Outbox,
  RunningJob,
} from '../src/index.ts'

/** What a probe is told. */
export interface HealthReport {
  /** `stalled`: it runs, but does not do all that it should; `reasons` say why. */
  readonly status: 'ok' | 'starting' | 'stalled' | 'stopping'
  readonly reasons: readonly string[]
  /** The newest durable checkpoint; left out without checkpoints. */
  readonly checkpoint?: number
  readonly checkpoint_age_seconds?: number
}

/** What becomes of each checkpoint that was taken by this process. */
export type CheckpointListener = (completed: CompletedCheckpoint) => void

export interface RunMonitorOptions {
  /** Epoch ms. */
  readonly now: () => number
  /** A checkpoint is too old after this, ms; `null`: there are none. */
  readonly checkpointAgeMsMax: number | null
  /** What fails is a reason after this, ms; default 5,000. */
  readonly patienceMs?: number
}

/** Watches a run, over its restarts: what health and metrics are made of. */
export class RunMonitor {
  readonly #options: Required<RunMonitorOptions>
  readonly #checkpointListeners: CheckpointListener[] = []
  readonly #startListeners: (() => void)[] = []
  readonly #sinks = new Map<string, WatchedSink>()
  /** By `STREAM/PARTITION`: what keeps records from coming, and since when, epoch ms. */
  readonly #sourceProblems = new Map<string, Problem>()
  #job: RunningJob | null = null
  #isStopping = false
  #checkpoint = 0
  #checkpointAt: number
  #stall: Problem | null = null
  #restarts = 0

  constructor(options: RunMonitorOptions) {
    this.#options = { patienceMs: 5000, ...options }
    this.#checkpointAt = options.now()
  }

  get restarts(): number {
    return this.#restarts
  }

  /** `null` while it starts. */
  get job(): RunningJob | null {
    return this.#job
  }

  /** `null` while the job starts. */
  jobMetrics(): JobMetrics | null {
    return this.#job?.metrics() ?? null
  }

  get sinks(): ReadonlyMap<string, { readonly outbox: Outbox; readonly retries: number }> {
    return this.#sinks
  }

  get checkpoint(): number {
    return this.#checkpoint
  }

  /** Since the newest checkpoint became durable, or since the start, ms. */
  get checkpointAgeMs(): number {
    return this.#options.now() - this.#checkpointAt
  }

  onCheckpoint(listener: CheckpointListener): void {
    this.#checkpointListeners.push(listener)
  }

  /** A job is about to start; `outboxes` are those of its sinks. */
  jobStarting(outboxes: ReadonlyMap<string, Outbox>): void {
    this.#job = null
    this.#stall = null
    this.#sourceProblems.clear()
    for (const [name, outbox] of outboxes) {
      this.#sinks.set(name, { outbox, retries: this.#sinks.get(name)?.retries ?? 0, away: null })
    }
  }

  jobStarted(job: RunningJob): void {
    this.#job = job
    this.#checkpointAt = this.#options.now()
    for (const listener of this.#startListeners) listener()
  }

  /** Called each time that a job has started. */
  onJobStarted(listener: () => void): void {
    this.#startListeners.push(listener)
  }

  jobRestarting(): void {
    this.#job = null
    this.#restarts++
  }

  stopping(): void {
    this.#isStopping = true
  }

  checkpointRestored(number: number): void {
    this.#checkpoint = number
  }

  checkpointCompleted(completed: CompletedCheckpoint): void {
    this.#checkpoint = completed.number
    this.#checkpointAt = this.#options.now()
    this.#stall = null
    for (const listener of this.#checkpointListeners) listener(completed)
  }

  checkpointStalled({ message }: Error): void {
    this.#stall = { message, since: this.#stall?.since ?? this.#options.now() }
  }

  sinkFailed(name: string, { message }: ConnectorError): void {
    const sink = this.#sinks.get(name)
    if (sink === undefined) return
    const { committed } = sink.outbox
    const since = awayOf(sink)?.since ?? this.#options.now()
    this.#sinks.set(name, {
      ...sink,
      retries: sink.retries + 1,
      away: { message, since, committed },
    })
  }

  /** @param message undefined: it is over */
  sourceProblem(split: string, message: string | undefined): void {
    if (message === undefined) this.#sourceProblems.delete(split)
    else {
      const since = this.#sourceProblems.get(split)?.since ?? this.#options.now()
      this.#sourceProblems.set(split, { message, since })
    }
  }

  health(): HealthReport {
    const { checkpointAgeMsMax } = this.#options
    const reasons = this.#reasons()
    const isStalled = reasons.length > 0
    const running = this.#job === null ? 'starting' : isStalled ? 'stalled' : 'ok'
    return {
      status: this.#isStopping ? 'stopping' : running,
      reasons,
      ...(checkpointAgeMsMax === null
        ? {}
        : {
            checkpoint: this.#checkpoint,
            checkpoint_age_seconds: Math.round(this.checkpointAgeMs) / 1000,
          }),
    }
  }

  #reasons(): string[] {
    const { checkpointAgeMsMax } = this.#options
    const reasons: string[] = []
    if (this.#stall !== null) reasons.push(`no checkpoint can be taken: ${this.#stall.message}`)
    else if (checkpointAgeMsMax !== null && this.checkpointAgeMs > checkpointAgeMsMax) {
      const seconds = Math.round(this.checkpointAgeMs / 1000)
      reasons.push(`the newest checkpoint is ${seconds} s old`)
    }
    for (const [name, sink] of this.#sinks) {
      const away = awayOf(sink)
      if (away !== null && this.#lasts(away)) reasons.push(`the sink ${name}: ${away.message}`)
    }
    for (const [split, problem] of this.#sourceProblems) {
      if (this.#lasts(problem)) reasons.push(`the source of ${split}: ${problem.message}`)
    }
    return reasons
  }

  #lasts({ since }: Problem): boolean {
    return this.#options.now() - since >= this.#options.patienceMs
  }
}

interface Problem {
  readonly message: string
  /** Epoch ms. */
  readonly since: number
}

interface WatchedSink {
  readonly outbox: Outbox
  readonly retries: number
  /** Its last failure, with what it had committed then. */
  readonly away: (Problem & { readonly committed: number | undefined }) | null
}

/** A sink that has taken something since, or from which nothing is wanted, is no longer away. */
function awayOf({ outbox, away }: WatchedSink) {
  if (away === null || outbox.alerts === 0 || outbox.committed !== away.committed) return null
  return away
}
