import {
  CheckpointCoordinator,
  type CompletedCheckpoint,
  type FrozenJob,
} from '../checkpoint/checkpoint-coordinator.ts'
import type { CheckpointStore, CheckpointStoreOptions } from '../checkpoint/checkpoint-store.ts'
import type { DiskKeyedStateBackend } from '../checkpoint/disk-keyed-state-backend.ts'
import type { Outbox } from '../checkpoint/outbox.ts'
import {
  type FallBack,
  openNewestCheckpoint,
  retainCheckpoint,
  suspectCheckpoint,
} from '../checkpoint/retained-checkpoints.ts'
import type { SideOutputLog } from '../checkpoint/side-output-log.ts'
import type { SourcePosition, SourceReader } from '../connector/source.ts'
import type { Marker } from '../connector/two-phase-commit-sink.ts'
import { TocsinError } from '../errors.ts'
import { operatorParts, restoreParts, savedTime, timeOf } from '../operator/operator-checkpoint.ts'
import type { SplitReader } from '../runtime/split-reader.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import { doneBefore, type StopSignal } from '../time/stop-signal.ts'
import { stateNameOf } from './operator-layout.ts'
import type { RuleOperator } from './rule-operator.ts'
import type { RulePipeline } from './rule-pipeline.ts'
import { type SavedJob, savedJobOf, savedJobVersion } from './saved-job.ts'
import { type CarryOver, type CarryOverPlan, carryOver, planCarryOver } from './state-carry-over.ts'

/** How a job survives its process. */
export interface JobDurability extends Omit<CheckpointStoreOptions, 'scheduler'> {
  /** What keyed state may have in memory, bytes; default 256 MiB. */
  readonly cacheBytes?: number
  /** New ones, by sink; `deliver` stages alerts there, before it first waits. */
  readonly outboxes: ReadonlyMap<string, Outbox>
  /** Time between checkpoints, ms; default 1,000. */
  readonly intervalMs?: number
  /** Checkpoints that are kept, the newest one included; default 1. */
  readonly retained?: number
  /** Where what is left out is kept; it ends with each checkpoint where the job does. */
  readonly sideOutput?: SideOutputLog
  /** Told of each checkpoint that is durable. */
  readonly onCompleted?: (completed: CompletedCheckpoint) => void
  /** Told, once the state is restored, of the checkpoint that the job goes on from; 0: none. */
  readonly onRestored?: (checkpoint: number, isFinished: boolean) => void
  /** Told when the newest checkpoint is damaged and an older one has taken its place. */
  readonly onFallBack?: (fallBack: FallBack) => void
  /** Told how to copy checkpoints, once the job takes them. */
  readonly onStarted?: (copier: CheckpointCopier) => void
  /** Told what became of the state where rules or streams have changed since. */
  readonly onCarriedOver?: (carryOver: CarryOver) => void
}

/** Copies checkpoints of a running job. */
export interface CheckpointCopier {
  /**
   * Takes a checkpoint and makes a copy of it, of hard links, that can be opened as the state of a
   * job; resolves when the sinks have its alerts too, or have not got them after a while.
   * @param directory absolute, on the file system of the state, and not there
   * @throws {TocsinError} as a checkpoint; STATE_IO: the job ends
   */
  copyTo(directory: string): Promise<CheckpointCopy>
}

export interface CheckpointCopy {
  readonly checkpoint: number
  /** By sink, the newest checkpoint that it is known to have committed. */
  readonly committed: Readonly<Record<string, number>>
}

/** What a job counts, as plain data. */
export interface JobCounts {
  readonly events: number
  save(): JsonValue
  restore(saved: JsonValue): void
}

/**
 * Opens the state of a job, carries it over to its rules as they are now, and gives the outboxes what their
 * sinks may lack.
 * @throws {TocsinError} STATE_MISMATCH, CHECKPOINT_CORRUPT, SINK_AHEAD, SINK_MARKER and what else
 *   stores and sinks throw
 */
export async function openJobCheckpoints(
  durability: JobDurability,
  pipeline: RulePipeline,
  scheduler: Scheduler,
): Promise<JobCheckpoints> {
  const markers = new Map<string, Marker | undefined>()
  const askSinks = async () => {
    if (markers.size > 0) return markers
    for (const [sink, outbox] of durability.outboxes) markers.set(sink, await outbox.open())
    return markers
  }
  const { onFallBack = () => undefined } = durability
  const store = await openNewestCheckpoint({
    ...durability,
    scheduler,
    markers: askSinks,
    onFallBack,
  })
  try {
    const { head } = store
    const job = savedJobOf(head)
    const plan = job === null ? null : planCarryOver(job, pipeline)
    for (const [sink, { staged }] of Object.entries(head.outboxes)) {
      if (staged.length > 0 && !durability.outboxes.has(sink)) {
        throw mismatch(durability.directory, `it holds alerts for the sink ${sink}, which is gone`)
      }
    }
    await askSinks()
    // Before the outboxes, which may add to it from then on.
    await durability.sideOutput?.restore(job?.sideOutput ?? null)
    for (const [sink, outbox] of durability.outboxes) {
      const marker = markers.get(sink)
      const committed = head.outboxes[sink]?.committed ?? undefined
      const staged = await store.stagedOf(sink)
      outbox.restore({ checkpoint: head.number, committed, staged }, marker)
    }
    durability.onRestored?.(head.number, job?.isFinished === true)
    if (job !== null && plan !== null) {
      const carried = await carryOver(store, job, plan)
      if (carried !== null) durability.onCarriedOver?.(carried)
    }
    return new JobCheckpoints(durability, pipeline, store, job, plan)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The checkpoints of a rule job: what they hold, and how it is put back. */
export class JobCheckpoints {
  readonly #durability: JobDurability
  readonly #pipeline: RulePipeline
  readonly #store: CheckpointStore
  readonly #saved: SavedJob | null
  /** By operator, what its state lies under. */
  readonly #names: Map<string, string>
  #coordinator: CheckpointCoordinator | null = null
  /** Copies that are asked for and not made yet. */
  readonly #copies = new Set<RequestedCopy>()
  readonly #closed = new AbortController()
  /** By checkpoint that is kept, the oldest first: how far it has read. */
  readonly #passed: {
    readonly reader: SourceReader
    readonly position: SourcePosition | undefined
  }[][] = []

  /** Use `openJobCheckpoints`. */
  constructor(
    durability: JobDurability,
    pipeline: RulePipeline,
    store: CheckpointStore,
    saved: SavedJob | null,
    plan: CarryOverPlan | null,
  ) {
    this.#durability = durability
    this.#pipeline = pipeline
    this.#store = store
    this.#saved = saved
    this.#names = new Map(
      plan === null
        ? pipeline.operators.map(({ id, layout }) => [id, stateNameOf(id, layout)])
        : plan.operators.map(({ id, name }) => [id, name]),
    )
  }

  /** Whether the job had come to its end: nothing is to be read any more. */
  get isFinished(): boolean {
    return this.#saved?.isFinished === true
  }

  /** By partition, where the readers of a stream go on. */
  positionsOf(stream: string): ReadonlyMap<number, SourcePosition> | undefined {
    const known = this.#saved?.splits.filter((split) => split.stream === stream) ?? []
    const positions = known.flatMap(({ partition, position }) =>
      position === null ? [] : [[partition, position] as const],
    )
    return positions.length === 0 ? undefined : new Map(positions)
  }

  /** Puts back counts, watermarks, what waits in sorters, and what keys have open. */
  async restore(readers: readonly SplitReader[], counts: JobCounts): Promise<void> {
    const { operators } = this.#pipeline
    this.openOperators()
    if (this.#saved === null) return
    counts.restore(this.#saved.counts)
    for (const { stream, partition, greatest } of this.#saved.splits) {
      for (const { reader, operator, split } of readers) {
        const same = reader.split.stream === stream && reader.split.partition === partition
        if (same) operator.restoreSplit(split, timeOf(greatest))
      }
    }
    for (const state of operators) {
      const name = this.#nameOf(state)
      restoreParts(state, await this.#store.partsOf(name))
      if (this.#store.isUntimed(name)) state.operator.disk?.wantLoad()
    }
  }

  /** Gives operators, also those that have come with other rules, the state that they have on disk. */
  openOperators(): void {
    for (const state of this.#pipeline.operators) {
      const { disk } = state.operator
      if (disk !== null && !disk.isOpen) disk.open(this.#store, this.#nameOf(state))
    }
  }

  /** Begins to take checkpoints. */
  start(
    readers: readonly SplitReader[],
    counts: JobCounts,
    host: { readonly clock: Clock; readonly scheduler: Scheduler; readonly stop: StopSignal },
  ): CheckpointCoordinator {
    const { outboxes, intervalMs, onCompleted, onStarted, sideOutput } = this.#durability
    const eventsBefore = counts.events
    this.#coordinator = new CheckpointCoordinator({
      ...host,
      store: this.#store,
      outboxes,
      freeze: (isFinished) => this.#freeze(readers, counts, isFinished),
      keysChangeOften: () => changesOften * this.#changes > counts.events - eventsBefore,
      ...(sideOutput === undefined ? {} : { flush: () => sideOutput.betweenBatches() }),
      ...(intervalMs === undefined ? {} : { intervalMs }),
      ...(onCompleted === undefined ? {} : { onCompleted }),
    })
    const { scheduler } = host
    onStarted?.({ copyTo: (directory) => this.#copyTo(directory, scheduler) })
    return this.#coordinator
  }

  /** Resolves when the sinks of a job that has ended have all that checkpoints hold for them. */
  async settle(
    counts: JobCounts,
    host: { readonly clock: Clock; readonly scheduler: Scheduler; readonly stop: StopSignal },
  ): Promise<void> {
    const outboxes = [...this.#durability.outboxes.values()]
    for (const outbox of outboxes) await outbox.settled()
    if (!outboxes.some(({ isAheadOfSnapshot }) => isAheadOfSnapshot)) return
    await this.start([], counts, host).finish(true)
  }

  /** Has the next start look closely where a run has failed over damage; gives what to throw. */
  suspect(failure: unknown): Promise<unknown> {
    return suspectCheckpoint(this.#durability, failure)
  }

  async close(): Promise<void> {
    await this.#coordinator?.close()
    for (const { operator } of this.#pipeline.operators) await operator.disk?.close()
    await this.#store.close()
    const message = 'the job has ended before a copy of its checkpoint was made'
    for (const { reject } of this.#copies) reject(new TocsinError('STATE_IO', message))
    this.#closed.abort()
  }

  async #copyTo(directory: string, scheduler: Scheduler): Promise<CheckpointCopy> {
    const checkpoint = await new Promise<number>((resolve, reject) => {
      this.#copies.add({ directory, resolve, reject })
      this.#coordinator?.request()
    })
    const outboxes = [...this.#durability.outboxes]
    const settled = Promise.all(outboxes.map(([, outbox]) => outbox.settled()))
    // What it fails with is the job's matter.
    const over = Promise.race([settled.catch(() => undefined), scheduler.sleep(settleMsMax)])
    await doneBefore(this.#closed.signal, over)
    const committed = outboxes.flatMap(([sink, outbox]) => {
      return outbox.committed === undefined ? [] : [[sink, Math.min(outbox.committed, checkpoint)]]
    })
    return { checkpoint, committed: Object.fromEntries(committed) }
  }

  async #makeCopy(copy: RequestedCopy): Promise<void> {
    // It is the copy that fails, and not the checkpoint.
    await this.#store
      .copyTo(copy.directory)
      .then(() => copy.resolve(this.#store.head.number), copy.reject)
    this.#copies.delete(copy)
  }

  /** Keys that have changed since the last checkpoint. */
  get #changes(): number {
    let changes = 0
    for (const { operator } of this.#pipeline.operators) changes += operator.disk?.changes ?? 0
    return changes
  }

  #nameOf({ id, layout }: RuleOperator): string {
    const known = this.#names.get(id)
    if (known !== undefined) return known
    // It came with rules that were added while the job runs.
    const name = stateNameOf(id, layout)
    this.#names.set(id, name)
    return name
  }

  #freeze(readers: readonly SplitReader[], counts: JobCounts, isFinished: boolean): FrozenJob {
    const { operators } = this.#pipeline
    const frozen = [...operators]
    const sideOutput = this.#durability.sideOutput?.freeze()
    const splits = readers.map(({ reader: { split }, position, operator, split: index }) => ({
      ...split,
      position: position ?? null,
      greatest: savedTime(operator.greatestTimestampOf(index)),
    }))
    const job: SavedJob = {
      version: savedJobVersion,
      isFinished,
      operators: Object.fromEntries(
        operators.map((state) => [state.id, { name: this.#nameOf(state), layout: state.layout }]),
      ),
      // A job that has ended opens no readers: what it knows of them stays.
      splits: readers.length === 0 ? (this.#saved?.splits ?? []) : splits,
      counts: counts.save(),
      ...(sideOutput === undefined ? {} : { sideOutput: sideOutput.position }),
    }
    const { retained = 1 } = this.#durability
    this.#passed.push(readers.map(({ reader, position }) => ({ reader, position })))
    const copies = [...this.#copies]
    return {
      job: job as unknown as JsonValue,
      operators: operators.map((state) => ({
        operator: this.#nameOf(state),
        entries: (state.operator.disk as DiskKeyedStateBackend).freeze(),
        parts: operatorParts(state),
      })),
      ...(sideOutput === undefined ? {} : { write: sideOutput.write }),
      keep: async () => {
        for (const copy of copies.splice(0)) await this.#makeCopy(copy)
        await retainCheckpoint(this.#store, this.#durability, retained)
      },
      complete: async () => {
        for (const { operator } of frozen) operator.disk?.notifyCheckpointComplete()
        await sideOutput?.complete()
        // What an older checkpoint goes on from must still be there.
        if (this.#passed.length < retained) return
        for (const { reader, position } of this.#passed[0] ?? []) {
          if (position !== undefined) await reader.notifyCheckpointComplete?.(position)
        }
        this.#passed.shift()
      },
    }
  }
}

/** Keys change often where one in so many events changes one that was unchanged. */
const changesOften = 10

interface RequestedCopy {
  readonly directory: string
  readonly resolve: (checkpoint: number) => void
  readonly reject: (failure: unknown) => void
}

/** How long a copy waits for the sinks to have its alerts, ms: without those it is complete too. */
const settleMsMax = 10_000

function mismatch(directory: string, reason: string): TocsinError {
  const message =
    `the state in ${directory} is not that of this configuration: ${reason}. Choose: bring back ` +
    'what was there; or start anew with another state.dir and another state.job'
  return new TocsinError('STATE_MISMATCH', message)
}
