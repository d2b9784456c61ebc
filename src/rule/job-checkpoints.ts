import { CheckpointCoordinator, type FrozenJob } from '../checkpoint/checkpoint-coordinator.ts'
import {
  type CheckpointStore,
  type CheckpointStoreOptions,
  openCheckpointStore,
} from '../checkpoint/checkpoint-store.ts'
import type { Outbox } from '../checkpoint/outbox.ts'
import type { SideOutputLog, SideOutputPosition } from '../checkpoint/side-output-log.ts'
import type { SourcePosition } from '../connector/source.ts'
import { TocsinError } from '../errors.ts'
import {
  FrozenEntries,
  operatorParts,
  restoreEntry,
  restoreParts,
  type SavedTime,
  savedTime,
  timeOf,
} from '../operator/operator-checkpoint.ts'
import type { SplitReader } from '../runtime/split-reader.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import type { RulePipeline } from './rule-pipeline.ts'

/** How a job survives its process. */
export interface JobDurability extends CheckpointStoreOptions {
  /** New ones, by sink; `deliver` stages alerts there, before it first waits. */
  readonly outboxes: ReadonlyMap<string, Outbox>
  /** Time between checkpoints, ms; default 1,000. */
  readonly intervalMs?: number
  /** Called before each checkpoint: what is kept elsewhere is to be written out. */
  readonly beforeCheckpoint?: () => void
  /** Where what is left out is kept; it ends with each checkpoint where the job does. */
  readonly sideOutput?: SideOutputLog
  /** Told of a checkpoint that found no space, and when it is tried again. */
  readonly onStalled?: (failure: TocsinError, waitMs: number) => void
  /** Told, once the state is restored, of the checkpoint that the job goes on from; 0: none. */
  readonly onRestored?: (checkpoint: number, isFinished: boolean) => void
}

/** The job's own part of a checkpoint. */
interface SavedJob {
  readonly isFinished: boolean
  /** By operator. */
  readonly fingerprints: Readonly<Record<string, readonly string[]>>
  readonly splits: readonly SavedSplit[]
  readonly counts: JsonValue
  /** Where the side output ends; left out where there is none. */
  readonly sideOutput?: SideOutputPosition
}

interface SavedSplit {
  readonly stream: string
  readonly partition: number
  /** `null`: at the beginning. */
  readonly position: SourcePosition | null
  /** Its greatest event time. */
  readonly greatest: SavedTime
}

/** What a job counts, as plain data. */
export interface JobCounts {
  save(): JsonValue
  restore(saved: JsonValue): void
}

/**
 * Opens the state of a job, checks that it is that of its rules, and gives the outboxes what their
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
    const job = head.number === 0 ? null : (head.job as unknown as SavedJob)
    if (job !== null) checkRules(job, pipeline, durability.directory)
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
    return new JobCheckpoints(durability, pipeline, store, job)
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
  #coordinator: CheckpointCoordinator | null = null

  /** Use `openJobCheckpoints`. */
  constructor(
    durability: JobDurability,
    pipeline: RulePipeline,
    store: CheckpointStore,
    saved: SavedJob | null,
  ) {
    this.#durability = durability
    this.#pipeline = pipeline
    this.#store = store
    this.#saved = saved
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
      restoreParts(state, await this.#store.partsOf(state.id))
      for await (const entries of this.#store.entriesOf(state.id)) {
        for (const [key, form] of entries) restoreEntry(state, key, form)
      }
    }
  }

  /** Begins to take checkpoints. */
  start(
    readers: readonly SplitReader[],
    counts: JobCounts,
    time: { readonly clock: Clock; readonly scheduler: Scheduler },
  ): CheckpointCoordinator {
    const { outboxes, intervalMs, onStalled, sideOutput } = this.#durability
    this.#coordinator = new CheckpointCoordinator({
      ...time,
      store: this.#store,
      outboxes,
      freeze: (isFinished) => this.#freeze(readers, counts, isFinished),
      ...(sideOutput === undefined ? {} : { flush: () => sideOutput.betweenBatches() }),
      ...(intervalMs === undefined ? {} : { intervalMs }),
      ...(onStalled === undefined ? {} : { onStalled }),
    })
    return this.#coordinator
  }

  /** Resolves when the sinks of a job that has ended have all that checkpoints hold for them. */
  async settle(
    counts: JobCounts,
    time: { readonly clock: Clock; readonly scheduler: Scheduler },
  ): Promise<void> {
    const outboxes = [...this.#durability.outboxes.values()]
    for (const outbox of outboxes) await outbox.settled()
    if (!outboxes.some(({ isAheadOfSnapshot }) => isAheadOfSnapshot)) return
    await this.start([], counts, time).finish(true)
  }

  async close(): Promise<void> {
    await this.#coordinator?.close()
    await this.#store.close()
  }

  #freeze(readers: readonly SplitReader[], counts: JobCounts, isFinished: boolean): FrozenJob {
    this.#durability.beforeCheckpoint?.()
    const { operators } = this.#pipeline
    const sideOutput = this.#durability.sideOutput?.freeze()
    const splits = readers.map(({ reader: { split }, position, operator, split: index }) => ({
      ...split,
      position: position ?? null,
      greatest: savedTime(operator.greatestTimestampOf(index)),
    }))
    const job: SavedJob = {
      isFinished,
      fingerprints: Object.fromEntries(operators.map(({ id, fingerprints }) => [id, fingerprints])),
      // A job that has ended opens no readers: what it knows of them stays.
      splits: readers.length === 0 ? (this.#saved?.splits ?? []) : splits,
      counts: counts.save(),
      ...(sideOutput === undefined ? {} : { sideOutput: sideOutput.position }),
    }
    const passed = readers.map(({ reader, position }) => ({ reader, position }))
    return {
      job: job as unknown as JsonValue,
      operators: operators.map((state) => ({
        operator: state.id,
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

function checkRules(
  { fingerprints }: SavedJob,
  { operators }: RulePipeline,
  directory: string,
): void {
  const now = new Map(operators.map((each) => [each.id, each.fingerprints]))
  const ids = new Set([...now.keys(), ...Object.keys(fingerprints)])
  for (const id of ids) {
    if (now.get(id)?.join() === fingerprints[id]?.join()) continue
    throw mismatch(directory, 'rules were added, taken away, put in another order or changed')
  }
}

function mismatch(directory: string, reason: string): TocsinError {
  const message =
    `the state in ${directory} is not that of this configuration: ${reason}. Choose: bring back ` +
    'what was there; or start anew with another state.dir and another state.job'
  return new TocsinError('STATE_MISMATCH', message)
}
