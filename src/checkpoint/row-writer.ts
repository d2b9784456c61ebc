import type { StateStore, StoreChange } from '../connector/state-store.ts'
import type { SpaceWait } from './space-wait.ts'

/** Bytes and rows of a batch: more would hold the thread while they are handed over. */
const batchBytes = 256 * 1024
const batchRows = 1000

/** Told of its row that a read finds it. */
export interface WrittenRow {
  notifyWritten(): void
}

/** Bytes that may be under way before the stream has to wait. */
const bytesMax = 8 * 1024 * 1024
/** Bytes under way from which on others than the stream go no faster than rows are written. */
const bytesBusy = 2 * 1024 * 1024
/** What a row costs beside its bytes, roughly. */
const rowOverhead = 128

/**
 * Writes rows beside the stream in small batches, in the order in which they come. They are not
 * durable before the store is flushed; after a crash the last ones may be missing.
 */
export class RowWriter {
  readonly #store: StateStore
  readonly #space: SpaceWait
  #batch: StoreChange[] = []
  /** Those of the batch that are told when it is in the store. */
  #written: WrittenRow[] = []
  #batchBytes = 0
  /** Bytes under way, the batch among them. */
  #bytes = 0
  #last: Promise<void> = Promise.resolve()
  /** Settle one after the other, as batches are in the store. */
  readonly #pending: Promise<void>[] = []
  #failure: unknown = null

  constructor(store: StateStore, space: SpaceWait) {
    this.#store = store
    this.#space = space
  }

  /** Whether the stream should wait for `nextWritten`. */
  get isFull(): boolean {
    return this.#bytes > bytesMax || this.#failure !== null
  }

  /**
   * To be awaited by others than the stream after some hundred keys each, or they would take all the
   * room, and the stream would stand still until those are written.
   * @throws {unknown} what a write failed with for good
   */
  async share(): Promise<void> {
    if (this.#bytes > bytesBusy || this.#failure !== null) await this.nextWritten()
  }

  add(change: StoreChange, written?: WrittenRow): void {
    this.#batch.push(change)
    const bytes = bytesOf(change)
    this.#batchBytes += bytes
    this.#bytes += bytes
    if (written !== undefined) this.#written.push(written)
    if (this.#batchBytes >= batchBytes || this.#batch.length >= batchRows) this.send()
  }

  /** Hands over what is not yet a full batch. */
  send(): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    const written = this.#written
    const bytes = this.#batchBytes
    this.#batch = []
    this.#batchBytes = 0
    this.#written = []
    this.#last = this.#last.then(async () => {
      try {
        if (this.#failure === null) await this.#space.until(() => this.#store.write(batch))
        if (this.#failure === null) for (const row of written) row.notifyWritten()
      } catch (failure) {
        this.fail(failure)
      }
      this.#bytes -= bytes
      this.#pending.shift()
    })
    this.#pending.push(this.#last)
  }

  /**
   * Resolves when the next batch is in the store.
   * @throws {unknown} what a write failed with for good
   */
  async nextWritten(): Promise<void> {
    await this.#pending[0]
    if (this.#failure !== null) throw this.#failure
  }

  /** What is written beside the stream cannot be: who waits for rows is told. */
  fail(failure: unknown): void {
    this.#failure ??= failure
  }

  /**
   * Resolves when the store has all that was added before.
   * @throws {unknown} what a write failed with for good
   */
  async drained(): Promise<void> {
    this.send()
    await this.#last
    if (this.#failure !== null) throw this.#failure
  }
}

function bytesOf(change: StoreChange): number {
  switch (change.kind) {
    case 'put':
      return rowOverhead + change.key.length + change.value.length
    case 'delete':
    case 'deleteRange':
      return rowOverhead
  }
}
