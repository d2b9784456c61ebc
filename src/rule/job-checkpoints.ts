import {
  CheckpointCoordinator,
  type CompletedCheckpoint,
  type FrozenJob,
} from '../checkpoint/checkpoint-coordinator.ts'
import {
  type CheckpointStore,
  type CheckpointStoreOptions,
  openCheckpointStore,
} from '../checkpoint/checkpoint-store.ts'
import type { Outbox } from '../checkpoint/outbox.ts'
import type { SideOutputLog } from '../checkpoint/side-output-log.ts'
import type { SourcePosition } from '../connector/source.ts'
import { TocsinError } from '../errors.ts'
import {
  FrozenEntries,
  operatorParts,
  restoreEntry,
  restoreParts,
  savedTime,
  timeOf,
} from '../operator/operator-checkpoint.ts'
import type { SplitReader } from '../runtime/split-reader.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import type { StopSignal } from '../time/stop-signal.ts'
import { stateNameOf } from './operator-layout.ts'
import type { RuleOperator } from './rule-operator.ts'
import type { RulePipeline } from './rule-pipeline.ts'
import { type SavedJob, savedJobOf, savedJobVersion } from './saved-job.ts'
import { type CarryOver, type CarryOverPlan, carryOver, planCarryOver } from './state-carry-over.ts'

/** How a job survives its process. */
export interface JobDurability extends CheckpointStoreOptions {
  /** New ones, by sink; `deliver` stages alerts there, before it first waits. */
  readonly outboxes: ReadonlyMap<string, Outbox>
  /** Time between checkpoints, ms; default 1,000. */
  readonly intervalMs?: number
  /** Where what is left out is kept; it ends with each checkpoint where the job does. */
  readonly sideOutput?: SideOutputLog
  /** Told of a checkpoint that found no space, and when it is tried again. */
  readonly onStalled?: (failure: TocsinError, waitMs: number) => void
  /** Told of each checkpoint that is durable. */
  readonly onCompleted?: (completed: CompletedCheckpoint) => void
  /** Told, once the state is restored, of the checkpoint that the job goes on from; 0: none. */
  readonly onRestored?: (checkpoint: number, isFinished: boolean) => void
  /** Told what became of the state where rules or streams have changed since. */
  readonly onCarriedOver?: (carryOver: CarryOver) => void
}

/** What a job counts, as plain data. */
export interface JobCounts {
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
): Promise<JobCheckpoints> {
  const store = await openCheckpointStore(durability)
  try {
    const { head } = store
    const job = savedJobOf(head)
    const plan = job === null ? null : planCarryOver(job, pipeline)
    for (const [sink, { staged }] of Object.entries(head.outboxes)) {
      if (staged.length > 0 && !durability.outboxes.has(sink)) {
        throw mismatch(durability.directory, `it holds alerts for the sink ${sink}, which is gone`)
      }
    }
    // Before the outboxes, which may add to it from then on.
    await durability.sideOutput?.restore(job?.sideOutput ?? null)
    for (const [sink, outbox] of durability.outboxes) {
      const marker = await outbox.open()
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
    for (const { operator } of operators) operator.trackChanges()
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
      for await (const entries of this.#store.entriesOf(name)) {
        for (const [key, form] of entries) restoreEntry(state, key, form)
      }
    }
  }

  /** Begins to take checkpoints. */
  start(
    readers: readonly SplitReader[],
    counts: JobCounts,
    host: { readonly clock: Clock; readonly scheduler: Scheduler; readonly stop: StopSignal },
  ): CheckpointCoordinator {
    const { outboxes, intervalMs, onStalled, onCompleted, sideOutput } = this.#durability
    this.#coordinator = new CheckpointCoordinator({
      ...host,
      store: this.#store,
      outboxes,
      freeze: (isFinished) => this.#freeze(readers, counts, isFinished),
      ...(sideOutput === undefined ? {} : { flush: () => sideOutput.betweenBatches() }),
      ...(intervalMs === undefined ? {} : { intervalMs }),
      ...(onStalled === undefined ? {} : { onStalled }),
      ...(onCompleted === undefined ? {} : { onCompleted }),
    })
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

  async close(): Promise<void> {
    await this.#coordinator?.close()
    await this.#store.close()
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
    const passed = readers.map(({ reader, position }) => ({ reader, position }))
    return {
      job: job as unknown as JsonValue,
      operators: operators.map((state) => ({
        operator: this.#nameOf(state),
        entries: new FrozenEntries(state),
        parts: operatorParts(state),
      })),
      ...(sideOutput === undefined ? {} : { write: sideOutput.write }),
      complete: async () => {
        await sideOutput?.complete()
        for (const { reader, position } of passed) {
          if (position !== undefined) await reader.notifyCheckpointComplete?.(position)
        }
      },
    }
  }
}

function mismatch(directory: string, reason: string): TocsinError {
  const message =
    `the state in ${directory} is not that of this configuration: ${reason}. Choose: bring back ` +
    'what was there; or start anew with another state.dir and another state.job'
  return new TocsinError('STATE_MISMATCH', message)
}
