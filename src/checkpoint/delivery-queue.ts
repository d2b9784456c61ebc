import {
  type DeliveryPolicy,
  PartialWriteError,
  type Sink,
  type SinkAlert,
} from '../connector/sink.ts'
import { ConnectorError } from '../errors.ts'
import { type Clock, type Scheduler, steadyClock } from '../time/clock.ts'

/** An alert that is given up: its sink will not get it. */
export interface UndeliveredAlert {
  readonly alert: SinkAlert
  readonly failure: ConnectorError
  /** Writes that it was a part of, in this process. */
  readonly attempts: number
}

export interface DeliveryQueueOptions {
  readonly sink: Sink
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** In [0, 1): waits are scattered between the half and the whole of their length. */
  readonly random: () => number
  readonly firstWaitMs: number
  readonly waitMsMax: number
  /** Whether what the sink refuses may be given up; else a refusal is thrown. */
  readonly givesUp: boolean
  /** Told of each write that is tried again, and after how long. */
  readonly onRetry?: (failure: ConnectorError, waitMs: number) => void
}

/** What is written, taken or given up as one: an alert, or a digest of some. */
interface Parcel {
  readonly alerts: readonly QueuedAlert[]
  readonly sinceMs: number
  attempts: number
  /** When it is due. */
  dueMs: number
}

interface QueuedAlert {
  readonly alert: SinkAlert
  readonly progress: CheckpointProgress
}

/** What has become of the alerts of a checkpoint. */
interface CheckpointProgress {
  readonly left: Set<SinkAlert>
  readonly undelivered: UndeliveredAlert[]
}

/** A write that failed as one. */
const whole = { failures: undefined, untried: new Set<number>() }
/** Alerts of one write, where they are no digest. */
const writeMax = 100
/** Nobody ends a sleep: who waits for hours does it in pieces, so that a process can end. */
const sleepMsMax = 1000
/** The longest wait that a sink may ask for, ms. */
const retryAfterMsMax = 3_600_000

/**
 * Alerts on their way to a sink that takes them at least once, by their checkpoints, in their order
 * but for those that have to wait: an alert that the sink does not take holds up no other. When a
 * write fails as a whole, the sink is away: then one alert at a time tries whether it is back.
 */
export class DeliveryQueue {
  readonly #options: DeliveryQueueOptions
  readonly #policy: DeliveryPolicy
  /** In the order in which they came. */
  readonly #parcels = new Set<Parcel>()
  /** Alerts of the next digest, and since when the first of them waits. */
  #forming: QueuedAlert[] = []
  #formingSinceMs = 0
  readonly #progress = new Map<number, CheckpointProgress>()
  /** Writes that failed as a whole, one after the other, and until when the sink is left alone. */
  #failuresInTurn = 0
  #restsUntilMs = 0
  /** Times of what was written within the last stretch of the rate. */
  #written: number[] = []
  #isUrgent = false
  #wake: (() => void) | null = null

  constructor(options: DeliveryQueueOptions) {
    this.#options = { ...options, clock: steadyClock(options.clock) }
    this.#policy = options.sink.policy ?? {}
  }

  /** Whether nothing waits to be written. */
  get isEmpty(): boolean {
    return this.#parcels.size === 0 && this.#forming.length === 0
  }

  /** Takes alerts of a checkpoint, at least one; some may have come before. */
  add(checkpoint: number, alerts: readonly SinkAlert[]): void {
    const progress = this.#progress.get(checkpoint) ?? { left: new Set(), undelivered: [] }
    this.#progress.set(checkpoint, progress)
    const now = this.#options.clock.now()
    const { digest } = this.#policy
    for (const alert of alerts) {
      progress.left.add(alert)
      const queued = { alert, progress }
      if (digest === undefined) {
        this.#parcels.add({ alerts: [queued], sinceMs: now, attempts: 0, dueMs: now })
        continue
      }
      if (this.#forming.length === 0) this.#formingSinceMs = now
      this.#forming.push(queued)
      if (this.#forming.length >= digest.max) this.#closeDigest()
    }
  }

  /** The alerts of a checkpoint that were given up, once nothing of it is left; else undefined. */
  doneWith(checkpoint: number): readonly UndeliveredAlert[] | undefined {
    const progress = this.#progress.get(checkpoint)
    return progress?.left.size === 0 ? progress.undelivered : undefined
  }

  /** The alerts of a checkpoint that the sink has not taken: they wait, or were given up. */
  untakenOf(checkpoint: number): readonly SinkAlert[] {
    const { left = [], undelivered = [] } = this.#progress.get(checkpoint) ?? {}
    return [...undelivered.map(({ alert }) => alert), ...left]
  }

  /** The alerts of one checkpoint belong to another one from now on. */
  renumber(from: number, to: number): void {
    const progress = this.#progress.get(from)
    if (progress === undefined) return
    this.#progress.delete(from)
    this.#progress.set(to, progress)
  }

  /** Forgets a checkpoint that is done with. */
  remove(checkpoint: number): void {
    this.#progress.delete(checkpoint)
    if (this.#progress.size === 0) this.#isUrgent = false
  }

  /** Ends a wait: something has changed. */
  wake(): void {
    this.#wake?.()
  }

  /** Digests wait for nothing more, until all is sent. */
  hurry(): void {
    this.#isUrgent = true
    this.wake()
  }

  /**
   * Writes once, or waits until there is something to write.
   * @throws {unknown} what the sink throws and is not retryable
   */
  async step(): Promise<void> {
    const now = this.#options.clock.now()
    this.#formDigest(now)
    const dueMs = this.#nextDueMs(now)
    if (dueMs > now) return await this.wait(dueMs - now)
    const due = this.#takeDue(now)
    const alerts = due.flatMap((parcel) => parcel.alerts.map(({ alert }) => alert))
    try {
      await this.#options.sink.write(
        alerts.map(({ document }) => document),
        alerts.map(({ id }) => id),
      )
    } catch (failure) {
      if (!(failure instanceof ConnectorError)) throw failure
      this.#fail(due, failure)
      return
    }
    this.#failuresInTurn = 0
    for (const parcel of due) this.#finish(parcel)
  }

  /** Resolves after that time, when something changes, or before, to be called again. */
  async wait(milliseconds: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    const sleep = this.#options.scheduler.sleep(Math.min(milliseconds, sleepMsMax))
    await Promise.race([sleep, woken])
    this.#wake = null
  }

  #formDigest(now: number): void {
    const { digest } = this.#policy
    if (digest === undefined || this.#forming.length === 0) return
    if (this.#isUrgent || now >= this.#formingSinceMs + digest.everyMs) this.#closeDigest()
  }

  #closeDigest(): void {
    const now = this.#options.clock.now()
    this.#parcels.add({ alerts: this.#forming, sinceMs: now, attempts: 0, dueMs: now })
    this.#forming = []
  }

  /** When the next write may be; infinity: nothing waits. */
  #nextDueMs(now: number): number {
    const { rate, digest } = this.#policy
    let dueMs = Infinity
    for (const parcel of this.#parcels) dueMs = Math.min(dueMs, parcel.dueMs)
    if (digest !== undefined && this.#forming.length > 0) {
      dueMs = Math.min(dueMs, this.#formingSinceMs + digest.everyMs)
    }
    if (rate !== undefined) {
      this.#written = this.#written.filter((at) => at > now - rate.perMs)
      const oldest = this.#written[this.#written.length - rate.max]
      if (oldest !== undefined) dueMs = Math.max(dueMs, oldest + rate.perMs)
    }
    return Math.max(dueMs, this.#restsUntilMs)
  }

  /** Those due the longest, as many as go into one write. */
  #takeDue(now: number): readonly Parcel[] {
    const { rate, digest } = this.#policy
    const single = digest !== undefined || this.#failuresInTurn > 0
    const allowed = rate === undefined ? Infinity : rate.max - this.#written.length
    const due = [...this.#parcels]
      .filter((parcel) => parcel.dueMs <= now)
      .sort((a, b) => a.dueMs - b.dueMs)
      .slice(0, Math.min(single ? 1 : writeMax, allowed))
    if (rate !== undefined) for (const _ of due) this.#written.push(now)
    return due
  }

  #fail(due: readonly Parcel[], failure: ConnectorError): void {
    const now = this.#options.clock.now()
    const { failures, untried } = failure instanceof PartialWriteError ? failure : whole
    if (failures === undefined && !failure.retryable) throw failure
    let waitMs = 0
    let index = 0
    for (const parcel of due) {
      const own = failures === undefined ? failure : failures.get(index)
      const isUntried = untried.has(index)
      index += parcel.alerts.length
      if (isUntried) continue
      if (own === undefined) this.#finish(parcel)
      else waitMs = Math.max(waitMs, this.#failOne(parcel, own, now))
    }
    if (failures === undefined || untried.size > 0) {
      this.#failuresInTurn++
      const restMs = this.#waitMs(this.#failuresInTurn, failure)
      this.#restsUntilMs = now + restMs
      waitMs = Math.max(waitMs, restMs)
      for (const parcel of this.#parcels) {
        if (this.#isTooOld(parcel, now)) this.#giveUp(parcel, failure)
      }
    } else this.#failuresInTurn = 0
    if (waitMs > 0) this.#options.onRetry?.(failure, waitMs)
  }

  /** Gives how long it waits for its next attempt, ms; 0: it is given up. */
  #failOne(parcel: Parcel, failure: ConnectorError, now: number): number {
    parcel.attempts++
    const { attemptsMax = Infinity } = this.#policy.retry ?? {}
    const isLast = parcel.attempts >= attemptsMax || this.#isTooOld(parcel, now)
    if (!failure.retryable || isLast) {
      this.#giveUp(parcel, failure)
      return 0
    }
    const waitMs = this.#waitMs(parcel.attempts, failure)
    parcel.dueMs = now + waitMs
    return waitMs
  }

  #isTooOld({ sinceMs }: Parcel, now: number): boolean {
    return now - sinceMs >= (this.#policy.retry?.ageMaxMs ?? Infinity)
  }

  #waitMs(attempts: number, { retryAfterMs = 0 }: ConnectorError): number {
    const { firstWaitMs, waitMsMax, random } = this.#options
    const waitMs = Math.min(waitMsMax, firstWaitMs * 2 ** Math.min(attempts - 1, 30))
    const scattered = Math.ceil(waitMs / 2 + (waitMs / 2) * random())
    return Math.max(scattered, Math.min(retryAfterMs, retryAfterMsMax))
  }

  #giveUp(parcel: Parcel, failure: ConnectorError): void {
    if (!this.#options.givesUp) throw failure
    const { attempts } = parcel
    for (const { alert, progress } of parcel.alerts) {
      progress.undelivered.push({ alert, failure, attempts })
    }
    this.#finish(parcel)
  }

  #finish(parcel: Parcel): void {
    this.#parcels.delete(parcel)
    for (const { alert, progress } of parcel.alerts) progress.left.delete(alert)
  }
}
