import type { Sink, SinkAlert } from '../connector/sink.ts'
import type { Marker, TwoPhaseCommitSink } from '../connector/two-phase-commit-sink.ts'
import { assert, ConnectorError, TocsinError } from '../errors.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import { DeliveryQueue, type UndeliveredAlert } from './delivery-queue.ts'
import { checkRestoredMarker, markerTakenOver } from './marker-check.ts'
import {
  decodeStagedAlerts,
  encodeStagedAlerts,
  type StagedAlerts,
  StagedEncoder,
} from './outbox-format.ts'

/**
 * How alerts reach a sink: with its own marker, or at least once; then with their checkpoint, or
 * `immediate`, before it: sooner, and once more after a crash.
 */
export type Delivery =
  | { readonly kind: 'exactly_once'; readonly sink: TwoPhaseCommitSink }
  | { readonly kind: 'at_least_once' | 'immediate'; readonly sink: Sink }

export interface OutboxOptions {
  /** What messages call the sink. */
  readonly name: string
  readonly delivery: Delivery
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** In [0, 1): scatters waits between the half and the whole of their length. Default: the whole. */
  readonly random?: () => number
  /** Bytes of alerts not yet committed from which on `isFull` holds. Default 64 MiB. */
  readonly bytesMax?: number
  /** The first wait after a retryable failure, ms; each further one is twice as long. Default 100. */
  readonly firstWaitMs?: number
  /** The longest wait, ms. Default 30,000. */
  readonly waitMsMax?: number
  /** Told of each failure that is tried again, and after how long. */
  readonly onRetry?: (failure: ConnectorError, waitMs: number) => void
  /**
   * Takes the alerts of a checkpoint that the sink will not get, by its policy or since it refuses
   * them; called in the turn from which on `committed` covers that checkpoint. False: they cannot be
   * kept now, and are offered again. Default: nothing is given up, and a refusal fails the job.
   */
  readonly onUndelivered?: (undelivered: readonly UndeliveredAlert[]) => boolean
}

/** A sink's part of a checkpoint. */
export interface OutboxSnapshot {
  /**
   * The alerts of this checkpoint, to be kept until a later snapshot's `committed` covers it. Asking
   * takes a while: it is for when the stream goes on again.
   */
  readonly staged: Buffer | undefined
  /** The highest checkpoint that the sink is known to have committed; none before it is needed. */
  readonly committed: number | undefined
}

/** What a checkpoint says about a sink when it is restored. */
export interface RestoredOutbox {
  /** The checkpoint that is restored; they count from 1, and 0 is a job that starts without state. */
  readonly checkpoint: number
  /** `committed` of its snapshot. */
  readonly committed: number | undefined
  /** `staged` of it and of those before it, as far as they are kept; in any order. */
  readonly staged: readonly Uint8Array[]
}

interface FrozenAlerts extends StagedAlerts {
  readonly bytes: number
  /** Whether its alerts are in the queue. */
  isQueued: boolean
}

/**
 * The alerts of one sink between their operator and the outside: staged until the barrier, frozen
 * with a checkpoint, committed in order once that is durable (D6).
 *
 * A retryable failure is tried again for as long as it lasts: nothing is dropped. What bounds it is
 * `bytesMax`: from there on the job is to take no further input.
 */
export class Outbox {
  readonly #options: Required<Omit<OutboxOptions, 'onRetry' | 'onUndelivered'>> &
    Pick<OutboxOptions, 'onRetry' | 'onUndelivered'>
  /** Of a sink that takes alerts at least once. */
  readonly #queue: DeliveryQueue | null
  /** Whether alerts are sent as they are staged. */
  readonly #isImmediate: boolean
  #staged: SinkAlert[] = []
  #stagedBytes = 0
  /** Of the same alerts, where all of them go into a checkpoint. */
  #encoder = new StagedEncoder()
  /** In order of checkpoint. */
  readonly #frozen: FrozenAlerts[] = []
  #frozenBytes = 0
  /** The last barrier, and the last checkpoint that is durable; minus one: not restored yet. */
  #prepared = -1
  #completed = -1
  #committed: number | undefined
  /** What the last snapshot says of it. */
  #savedCommitted: number | undefined
  /** Whether the sink must be asked for its marker (or opened) before it is used. */
  #unsettled = true
  #committing: Promise<void> | null = null
  #failure: unknown = null
  readonly #closing: { readonly promise: Promise<void>; readonly resolve: () => void }
  #closed: Promise<void> | null = null

  constructor(options: OutboxOptions) {
    this.#options = {
      bytesMax: 64 * 1024 * 1024,
      firstWaitMs: 100,
      waitMsMax: 30_000,
      random: () => 1,
      ...options,
    }
    this.#queue = queueOf(this.#options)
    this.#isImmediate = options.delivery.kind === 'immediate'
    this.#closing = resolvable()
  }

  /** Bytes of alerts that are not yet committed. */
  get bytes(): number {
    return this.#stagedBytes + this.#frozenBytes
  }

  /** The newest checkpoint whose alerts the sink is known to have; undefined: none. */
  get committed(): number | undefined {
    return this.#committed
  }

  /** Whether the job is to read nothing until some alerts are committed; checkpoints go on. */
  get isFull(): boolean {
    return this.bytes >= this.#options.bytesMax
  }

  /** Alerts that are not yet committed. */
  get alerts(): number {
    return this.#frozen.reduce((sum, { alerts }) => sum + alerts.length, this.#staged.length)
  }

  /** Alerts that are not yet committed, in order; a sink may have some of them. */
  unsent(): readonly SinkAlert[] {
    return [...this.#frozen.flatMap(({ alerts }) => alerts), ...this.#staged]
  }

  /**
   * Whether only a further checkpoint knows what the sink has got: a job that went on from this one
   * would send it again. A sink with a marker of its own knows better.
   */
  get isAheadOfSnapshot(): boolean {
    return this.#queue !== null && this.#committed !== this.#savedCommitted
  }

  /**
   * Opens the sink and gives its marker: undefined where it has none or keeps none. Recovery asks
   * all sinks before it chooses the checkpoint to restore.
   * @throws {TocsinError} what the sink throws and is not retryable
   */
  async open(): Promise<Marker | undefined> {
    let marker: Marker | undefined
    await this.#retrying(async () => {
      marker = await this.#settle()
    })
    return marker
  }

  /**
   * Takes over the state of the checkpoint that is restored, or that of a job that starts anew; call
   * it after `open`, before anything is staged. What the sink lacks is committed again, in order:
   * `settled` waits for it.
   * @param marker what `open` gave
   * @throws {TocsinError} SINK_AHEAD, SINK_MARKER: the job must not start; CHECKPOINT_CORRUPT
   */
  restore({ checkpoint, committed, staged }: RestoredOutbox, marker: Marker | undefined): void {
    assert(this.#prepared < 0 && this.bytes === 0, 'an outbox is restored when it is new')
    const { name, delivery } = this.#options
    if (delivery.kind === 'exactly_once') checkRestoredMarker(name, marker, checkpoint, committed)
    const done = marker?.checkpoint ?? committed
    const known = committed ?? 0
    for (const { checkpoint: number, alerts } of staged.map(decodeStagedAlerts)) {
      if (number > checkpoint) {
        const message = `sink ${name}: checkpoint ${checkpoint} holds alerts of checkpoint ${number}`
        throw new TocsinError('CHECKPOINT_CORRUPT', message)
      }
      if (done === undefined || number > done) this.#freeze({ checkpoint: number, alerts })
      else if (number > known) this.#freezeRefused({ checkpoint: number, alerts })
    }
    this.#frozen.sort((a, b) => a.checkpoint - b.checkpoint)
    this.#prepared = checkpoint
    this.#completed = checkpoint
    this.#committed = done
    this.#savedCommitted = done
    this.#startCommitting()
  }

  /** Takes an alert; it becomes visible with the next checkpoint, or, if it is `immediate`, soon. */
  stage(alert: SinkAlert): void {
    this.#staged.push(alert)
    this.#stagedBytes += bytesOf(alert)
    if (!this.#isImmediate) {
      this.#encoder.add(alert)
      return
    }
    this.#queue?.add(stagedNumber, [alert])
    this.#queue?.wake()
    // What it fails with is thrown by `prepareCommit`.
    this.#startCommitting().catch(() => undefined)
  }

  /**
   * At the barrier of a checkpoint: freezes what was staged since the one before.
   * @throws {unknown} what a commit failed with for good: the job must fail
   */
  prepareCommit(checkpoint: number): OutboxSnapshot {
    if (this.#failure !== null) throw this.#failure
    assert(this.#prepared >= 0, 'an outbox is restored before it is used')
    assert(checkpoint > this.#prepared, `checkpoint ${checkpoint} comes after ${this.#prepared}`)
    this.#prepared = checkpoint
    const committed = this.#committed
    this.#savedCommitted = committed
    if (this.#staged.length === 0) return { staged: undefined, committed }
    const frozen = { checkpoint, alerts: this.#staged }
    this.#staged = []
    this.#stagedBytes = 0
    this.#freeze(frozen, this.#isImmediate)
    if (!this.#isImmediate) {
      const encoder = this.#encoder
      this.#encoder = new StagedEncoder()
      return {
        get staged() {
          return encoder.encode(checkpoint)
        },
        committed,
      }
    }
    this.#queue?.renumber(stagedNumber, checkpoint)
    const alerts = this.#queue?.untakenOf(checkpoint) ?? []
    // Of those that are taken only the checkpoint's number is of use, once the next one holds it.
    this.#startCommitting().catch(() => undefined)
    const staged = alerts.length === 0 ? undefined : encodeStagedAlerts({ checkpoint, alerts })
    return { staged, committed }
  }

  /** The checkpoint did not become durable: its alerts go into the next one. */
  notifyCheckpointAborted(checkpoint: number): void {
    assert(checkpoint > this.#completed, `checkpoint ${checkpoint} is durable`)
    const last = this.#frozen.at(-1)
    if (last?.checkpoint !== checkpoint) return
    this.#frozen.pop()
    this.#frozenBytes -= last.bytes
    this.#staged = [...last.alerts, ...this.#staged]
    this.#stagedBytes += last.bytes
    if (this.#isImmediate) {
      this.#queue?.renumber(checkpoint, stagedNumber)
      return
    }
    this.#encoder = new StagedEncoder()
    for (const alert of this.#staged) this.#encoder.add(alert)
  }

  /**
   * The checkpoint is durable: commits what is frozen up to it, in order. Resolves when that is
   * done; the job need not wait for it.
   * @throws {unknown} what the sink throws and is not retryable; also from the next `prepareCommit`
   */
  notifyCheckpointComplete(checkpoint: number): Promise<void> {
    this.#completed = Math.max(this.#completed, checkpoint)
    this.#queue?.wake()
    return this.#startCommitting()
  }

  /**
   * Resolves when everything that may be committed is; digests wait for nothing more.
   * @throws as notifyCheckpointComplete
   */
  settled(): Promise<void> {
    if (this.#frozen.length > 0) this.#queue?.hurry()
    return this.#startCommitting()
  }

  /**
   * Ends: a commit that is under way is waited for, a failing one is not tried again. Closing twice
   * is fine.
   */
  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    this.#closing.resolve()
    this.#queue?.wake()
    await this.#committing?.catch(() => undefined)
    await this.#options.delivery.sink.close()
  }

  #freeze(staged: StagedAlerts, isQueued = false): void {
    const bytes = staged.alerts.reduce((sum, alert) => sum + bytesOf(alert), 0)
    this.#frozen.push({ ...staged, bytes, isQueued })
    this.#frozenBytes += bytes
  }

  /** What is committed had perhaps left out alerts that were refused, and that nobody has kept yet. */
  #freezeRefused({ checkpoint, alerts }: StagedAlerts): void {
    const refused = alerts.filter((alert) => this.#refusalOf(alert) !== undefined)
    if (refused.length > 0) this.#freeze({ checkpoint, alerts: refused })
  }

  #refusalOf(alert: SinkAlert): ConnectorError | undefined {
    const { delivery } = this.#options
    return delivery.kind === 'exactly_once' ? delivery.sink.refusalOf?.(alert) : undefined
  }

  #startCommitting(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#committing === null) {
      const queue = this.#queue
      this.#committing = queue === null ? this.#commitAll() : this.#deliverAll(queue)
      // A caller need not wait: a failure that nobody waits for is thrown by `prepareCommit`.
      this.#committing.catch((failure: unknown) => {
        this.#failure = failure
      })
    }
    return this.#committing
  }

  async #commitAll(): Promise<void> {
    // Whoever asks now gets this promise, so it may not end before it is known to others.
    await null
    for (;;) {
      const next = this.#frozen[0]
      const due = next !== undefined && next.checkpoint <= this.#completed && this.#closed === null
      if (!due || !(await this.#retrying(() => this.#commit(next)))) break
      if (!(await this.#giveUpRefused(next))) break
      this.#shift(next)
    }
    // In the same turn as the last look: what is completed from here on is looked at anew.
    this.#committing = null
  }

  /** The same for a sink that takes alerts at least once. */
  async #deliverAll(queue: DeliveryQueue): Promise<void> {
    await null
    for (;;) {
      for (const frozen of this.#frozen) {
        if (frozen.isQueued || frozen.checkpoint > this.#completed) continue
        queue.add(frozen.checkpoint, frozen.alerts)
        frozen.isQueued = true
      }
      let waitMs = 0
      while (this.#frozen[0]?.isQueued === true && waitMs === 0) {
        const frozen = this.#frozen[0]
        const undelivered = queue.doneWith(frozen.checkpoint)
        if (undelivered === undefined) break
        if (this.#keep(undelivered)) {
          queue.remove(frozen.checkpoint)
          this.#shift(frozen)
        } else waitMs = this.#options.waitMsMax
      }
      if (this.#closed || (waitMs === 0 && queue.isEmpty)) break
      if (waitMs > 0) await queue.wait(waitMs)
      else if (!this.#unsettled) await queue.step()
      else await this.#retrying(() => this.#settle().then(() => undefined))
    }
    this.#committing = null
  }

  async #commit({ checkpoint, alerts }: FrozenAlerts): Promise<void> {
    const { name, delivery } = this.#options
    assert(delivery.kind === 'exactly_once', 'a sink without a marker gets its alerts by a queue')
    if (this.#unsettled) {
      const marker = await this.#settle()
      if (marker?.checkpoint === checkpoint) return
      if (marker?.checkpoint !== this.#committed) throw markerTakenOver(name, marker)
    }
    if (checkpoint <= (this.#committed ?? 0)) return
    const taken = alerts.filter((alert) => {
      const refusal = this.#refusalOf(alert)
      if (refusal !== undefined && this.#options.onUndelivered === undefined) throw refusal
      return refusal === undefined
    })
    this.#unsettled = true
    await delivery.sink.commit(checkpoint, taken)
    this.#unsettled = false
  }

  /** Gives away what the sink has refused of a checkpoint; false: the outbox was closed before. */
  async #giveUpRefused({ alerts }: FrozenAlerts): Promise<boolean> {
    const refused = alerts.flatMap((alert) => {
      const failure = this.#refusalOf(alert)
      return failure === undefined ? [] : [{ alert, failure, attempts: 0 }]
    })
    while (!this.#keep(refused)) {
      await Promise.race([
        this.#options.scheduler.sleep(this.#options.waitMsMax),
        this.#closing.promise,
      ])
      if (this.#closed !== null) return false
    }
    return true
  }

  #keep(undelivered: readonly UndeliveredAlert[]): boolean {
    return undelivered.length === 0 || this.#options.onUndelivered?.(undelivered) === true
  }

  #shift({ bytes, checkpoint }: FrozenAlerts): void {
    this.#frozen.shift()
    this.#frozenBytes -= bytes
    this.#committed = Math.max(checkpoint, this.#committed ?? 0)
  }

  async #settle(): Promise<Marker | undefined> {
    const { delivery } = this.#options
    const marker =
      delivery.kind === 'exactly_once' ? await delivery.sink.init() : await delivery.sink.open()
    this.#unsettled = false
    return marker ?? undefined
  }

  /** Tries until it succeeds: true; or until the outbox is closed: false. */
  async #retrying(attempt: () => Promise<void>): Promise<boolean> {
    const { scheduler, firstWaitMs, waitMsMax, onRetry } = this.#options
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMsMax, waitMs * 2)) {
      try {
        await attempt()
        return true
      } catch (failure) {
        if (!(failure instanceof ConnectorError) || !failure.retryable) throw failure
        if (this.#closed !== null) return false
        onRetry?.(failure, waitMs)
        await Promise.race([scheduler.sleep(waitMs), this.#closing.promise])
        if (this.#closed !== null) return false
      }
    }
  }
}

function queueOf(options: Omit<OutboxOptions, 'random'> & DeliveryTimes): DeliveryQueue | null {
  const { delivery, onUndelivered } = options
  if (delivery.kind === 'exactly_once') return null
  return new DeliveryQueue({
    ...options,
    sink: delivery.sink,
    givesUp: onUndelivered !== undefined,
  })
}

type DeliveryTimes = Required<Pick<OutboxOptions, 'random' | 'firstWaitMs' | 'waitMsMax'>>

/** By which the queue knows what is staged: checkpoints count from 1. */
const stagedNumber = 0

function bytesOf({ id, document }: SinkAlert): number {
  return Buffer.byteLength(id) + Buffer.byteLength(document)
}

function resolvable(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
