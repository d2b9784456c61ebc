import { join } from 'node:path'
import { TwoPhaseCommitFileSink } from '../connectors/file/two-phase-commit-sink.ts'
import { durableState } from '../connectors/registry.ts'
import type { CompletedCheckpoint } from '../src/checkpoint/checkpoint-coordinator.ts'
import { EntryPage } from '../src/checkpoint/entry-page.ts'
import { Outbox } from '../src/checkpoint/outbox.ts'
import type { OpenStateStore, StoreChange } from '../src/connector/state-store.ts'
import type { TwoPhaseCommitSink } from '../src/connector/two-phase-commit-sink.ts'
import type { JobAlert } from '../src/rule/rule-job.ts'
import type { Scheduler } from '../src/time/clock.ts'

/** What checkpoints cost, as a child process reports it. */
export interface CheckpointFigures {
  readonly checkpoints: number
  /** The most keys that were written between two checkpoints. */
  readonly dirtyKeysMax: number
  /** The longest time without the end of a batch while a checkpoint was under way, ms. */
  readonly pauseMsMax: number
  /** The same where none was: what the machine does by itself. */
  readonly otherPauseMsMax: number
}

/** State in RocksDB with a checkpoint each second, and an eye on what that costs. */
export class WatchedCheckpoints {
  readonly #folder: string
  readonly #cacheBytes: number
  readonly #outbox: Outbox
  #checkpoints = 0
  #keys = 0
  #dirtyKeysMax = 0
  /** The ends of batches since the last checkpoint, each with the time since the one before, ms. */
  #batches: { readonly at: number; readonly pauseMs: number }[] = []
  #lastBatchAt = performance.now()
  #startedAt = this.#lastBatchAt
  #pauseMsMax = 0
  #otherPauseMsMax = 0

  /**
   * @param folder gets the state
   * @param sink gets the alerts; default: `alerts.ndjson` in the folder
   */
  constructor(
    folder: string,
    cacheBytes: number,
    scheduler: Scheduler,
    sink: TwoPhaseCommitSink = alertFile(folder),
  ) {
    this.#folder = folder
    this.#cacheBytes = cacheBytes
    this.#outbox = new Outbox({
      name: 'alerts',
      delivery: { kind: 'exactly_once', sink },
      scheduler,
      clock: { now: () => Date.now() },
    })
  }

  get durability() {
    return {
      files: durableState.files,
      openStateStore: this.#openStateStore,
      directory: join(this.#folder, 'state'),
      outboxes: new Map([['alerts', this.#outbox]]),
      cacheBytes: this.#cacheBytes,
      onRestored: () => {
        this.#startedAt = performance.now()
        this.#lastBatchAt = this.#startedAt
      },
      onCompleted: ({ durationMs }: CompletedCheckpoint) => this.#noteCheckpoint(durationMs),
    }
  }

  /** When the state was open: what comes before is start-up. By `performance.now`. */
  get startedAt(): number {
    return this.#startedAt
  }

  get figures(): CheckpointFigures {
    return {
      checkpoints: this.#checkpoints,
      dirtyKeysMax: this.#dirtyKeysMax,
      pauseMsMax: this.#pauseMsMax,
      otherPauseMsMax: this.#otherPauseMsMax,
    }
  }

  async stage(alerts: readonly JobAlert[]): Promise<void> {
    for (const { alert, document } of alerts) {
      this.#outbox.stage({ id: alert.id, document: document() })
    }
  }

  /** To be called after each batch. */
  noteBatch(): void {
    const now = performance.now()
    const pauseMs = now - this.#lastBatchAt
    this.#lastBatchAt = now
    this.#batches.push({ at: now, pauseMs })
  }

  #noteCheckpoint(durationMs: number): void {
    const began = performance.now() - durationMs
    for (const { at, pauseMs } of this.#batches) {
      if (at >= began) this.#pauseMsMax = Math.max(this.#pauseMsMax, pauseMs)
      else this.#otherPauseMsMax = Math.max(this.#otherPauseMsMax, pauseMs)
    }
    this.#batches = []
  }

  async close(): Promise<void> {
    await this.#outbox.close()
  }

  readonly #openStateStore: OpenStateStore = async (directory, options) => {
    const store = await durableState.openStateStore(directory, options)
    const write = store.write.bind(store)
    store.write = (batch) => {
      this.#noteKeys(batch)
      return write(batch)
    }
    return store
  }

  #noteKeys(batch: readonly StoreChange[]): void {
    for (const change of batch) {
      if (change.kind !== 'put') continue
      if (change.key[0] === pageByte) this.#keys += new EntryPage(change.value).count
      if (change.key[0] !== headByte) continue
      this.#checkpoints++
      this.#dirtyKeysMax = Math.max(this.#dirtyKeysMax, this.#keys)
      this.#keys = 0
    }
  }
}

function alertFile(folder: string): TwoPhaseCommitSink {
  const path = join(folder, 'alerts.ndjson')
  return new TwoPhaseCommitFileSink(durableState.files, path, 'bench')
}

/** Keys of rows begin so: `src/checkpoint/checkpoint-row.ts`. */
const pageByte = 0x65
const headByte = 0x68
