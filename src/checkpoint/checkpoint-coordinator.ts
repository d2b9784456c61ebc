import type { JsonValue } from '../stream/alert.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import { doneBefore, neverStopped, type StopSignal } from '../time/stop-signal.ts'
import type { CheckpointStore, OperatorChanges, PreparedCheckpoint } from './checkpoint-store.ts'
import type { Outbox } from './outbox.ts'

/**
 * Where keys change often the first checkpoint comes sooner, ms: code that runs for the first time, and
 * is slow then, has few keys to write. Where they do not it would cost more than it spares.
 */
const firstAfterMs = 100

/** A job at the barrier, without its outboxes. */
export interface FrozenJob {
  readonly job: JsonValue
  readonly operators: readonly OperatorChanges[]
  /** Makes durable what the checkpoint refers to and does not hold; may be repeated. */
  readonly write?: () => Promise<void>
  /** Called once the checkpoint is durable, and again while it finds no space. */
  readonly keep: () => Promise<void>
  /** Called after that, and again while it finds no space. */
  readonly complete: () => Promise<void>
}

/** A checkpoint that is durable. */
export interface CompletedCheckpoint {
  readonly number: number
  /** From the barrier until it was durable, ms of processing time. */
  readonly durationMs: number
  /** Bytes of the keys and values that it wrote. */
  readonly bytes: number
}

export interface CheckpointCoordinatorOptions {
  readonly store: CheckpointStore
  readonly outboxes: ReadonlyMap<string, Outbox>
  /** One that never goes back. */
  readonly clock: Clock
  readonly scheduler: Scheduler
  /**
   * From the beginning of a checkpoint to that of the next one, ms; the first one comes after 100 at
   * most where keys change often. Default 1,000.
   */
  readonly intervalMs?: number
  /** Whether a large part of the events so far have changed a key. Default: they have. */
  readonly keysChangeOften?: () => boolean
  /** From the end of a checkpoint to the beginning of the next one at least, ms. Default 50. */
  readonly minPauseMs?: number
  /** Takes the changes since the last call; `isLast`: the job has ended. */
  readonly freeze: (isLast: boolean) => FrozenJob
  /** Called between batches: writes what must not wait for the next checkpoint; undefined: nothing. */
  readonly flush?: () => Promise<void> | undefined
  /** Told of each checkpoint that is durable. */
  readonly onCompleted?: (completed: CompletedCheckpoint) => void
  /** Asked to stop, the job waits for its last checkpoint and its sinks only; default: never. */
  readonly stop?: StopSignal
}

/**
 * How the last checkpoint of a run went: all sinks have what it stages; some had not in time, and
 * get it when the job is started again; or it was not taken in time, and the one before it counts.
 */
export type LastCheckpoint = 'settled' | 'unsent' | 'not_taken'

type Optional = 'onCompleted' | 'flush'

/**
 * Takes checkpoints of a job (D5): freezes it between two batches, and writes what was frozen beside
 * the stream. While there is no space for a checkpoint the job reads nothing.
 */
export class CheckpointCoordinator {
  readonly #options: Required<Omit<CheckpointCoordinatorOptions, Optional>> &
    Pick<CheckpointCoordinatorOptions, Optional>
  #number: number
  #nextAt: number
  /** When the first checkpoint is due where keys do not change often; infinity: that is settled. */
  #firstAt: number
  #writing: Promise<void> | null = null
  #failure: unknown = null

  constructor(options: CheckpointCoordinatorOptions) {
    const keysChangeOften = () => true
    const defaults = { intervalMs: 1000, minPauseMs: 50, stop: neverStopped, keysChangeOften }
    this.#options = { ...defaults, ...options }
    this.#number = options.store.head.number
    const now = options.clock.now()
    this.#firstAt = now + this.#options.intervalMs
    this.#nextAt = Math.min(now + firstAfterMs, this.#firstAt)
  }

  /**
   * To be called between batches, with all alerts staged: starts a checkpoint where one is due, and
   * waits where the job may not read on, unless it is to stop.
   * @throws {unknown} what a checkpoint or a commit failed with for good: the job must fail
   */
  async betweenBatches(): Promise<void> {
    const { asked } = this.#options.stop
    const outboxes = [...this.#options.outboxes.values()]
    while (this.#options.store.space.isStalled || outboxes.some(({ isFull }) => isFull)) {
      if (this.#writing === null) this.#start(false)
      if (!(await doneBefore(asked, this.#written()))) return
      this.#throwFailure()
      if (!outboxes.some(({ isFull }) => isFull)) break
      if (!(await doneBefore(asked, allSettled(outboxes)))) return
    }
    this.#throwFailure()
    const flushed = this.#options.flush?.()
    if (flushed !== undefined) {
      flushed.catch(() => undefined)
      const written = this.#options.store.space.until(
        () => this.#options.flush?.() ?? Promise.resolve(),
      )
      if (!(await doneBefore(asked, written))) return
    }
    if (this.#isDue()) this.#start(false)
  }

  #isDue(): boolean {
    if (this.#writing !== null || this.#options.clock.now() < this.#nextAt) return false
    const firstAt = this.#firstAt
    this.#firstAt = Infinity
    const mayWait = firstAt < Infinity && this.#nextAt > -Infinity
    if (mayWait && !this.#options.keysChangeOften()) this.#nextAt = firstAt
    return this.#options.clock.now() >= this.#nextAt
  }

  /** When `betweenBatches` is to be called at the latest, epoch ms. */
  get dueAt(): number {
    const { clock, minPauseMs } = this.#options
    return this.#writing === null ? this.#nextAt : clock.now() + minPauseMs
  }

  /** Has the next checkpoint taken as soon as may be. */
  request(): void {
    this.#nextAt = -Infinity
  }

  /**
   * Takes the last checkpoint of a run, and waits until all sinks have what it stages.
   * @param isEnd whether the job has come to the end of its input
   * @throws {unknown} what the checkpoint or a commit failed with for good
   */
  async finish(isEnd: boolean): Promise<LastCheckpoint> {
    const { overdue } = this.#options.stop
    if (!(await doneBefore(overdue, this.#written()))) return 'not_taken'
    this.#throwFailure()
    this.#start(isEnd)
    if (!(await doneBefore(overdue, this.#written()))) return 'not_taken'
    this.#throwFailure()
    const outboxes = [...this.#options.outboxes.values()]
    if (!(await doneBefore(overdue, allSettled(outboxes)))) return 'unsent'
    if (outboxes.some(({ isAheadOfSnapshot }) => isAheadOfSnapshot)) {
      // Else the next run would send again what such a sink has just taken.
      this.#start(isEnd)
      await doneBefore(overdue, this.#written())
      this.#throwFailure()
    }
    return 'settled'
  }

  /** Waits for a checkpoint that is under way, unless it waits for space. Never rejects. */
  async close(): Promise<void> {
    if (!this.#options.store.space.isStalled) await this.#writing
  }

  /** Resolves when no checkpoint is under way. */
  async #written(): Promise<void> {
    await this.#writing
  }

  #start(isEnd: boolean): void {
    const { clock, intervalMs, minPauseMs } = this.#options
    this.#nextAt = clock.now() + intervalMs
    this.#writing = this.#take(isEnd).then(
      () => {
        this.#nextAt = Math.max(this.#nextAt, clock.now() + minPauseMs)
        this.#writing = null
      },
      (failure: unknown) => {
        this.#failure = failure
        this.#writing = null
      },
    )
  }

  /** Freezes in the caller's turn. */
  async #take(isEnd: boolean): Promise<void> {
    const { store, outboxes, freeze, clock, onCompleted } = this.#options
    const number = ++this.#number
    const startedAt = clock.now()
    const snapshots = new Map(
      [...outboxes].map(([name, outbox]) => [name, outbox.prepareCommit(number)] as const),
    )
    const { job, operators, write, keep, complete } = freeze(isEnd)
    const checkpoint = { number, job, operators, outboxes: snapshots }
    const prepared = await store.prepare(checkpoint, () => this.#options.scheduler.sleep(0))
    await store.space.until(async () => {
      await write?.()
      await store.write(prepared)
    })
    const durationMs = clock.now() - startedAt
    onCompleted?.({ number, durationMs, bytes: bytesOf(prepared) })
    for (const outbox of outboxes.values()) {
      // What it fails with is thrown by the next `prepareCommit`, or by `settled`.
      outbox.notifyCheckpointComplete(number).catch(() => undefined)
    }
    await store.space.until(keep)
    await store.space.until(complete)
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }
}

async function allSettled(outboxes: readonly Outbox[]): Promise<void> {
  await Promise.all(outboxes.map((outbox) => outbox.settled()))
}

function bytesOf({ changes }: PreparedCheckpoint): number {
  let bytes = 0
  for (const change of changes) {
    if (change.kind === 'put') bytes += change.key.length + change.value.length
  }
  return bytes
}
