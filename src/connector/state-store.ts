import { assert } from '../errors.ts'

/** One change of a batch; changes apply in the order of the batch. */
export type StoreChange =
  | { readonly kind: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly kind: 'delete'; readonly key: Buffer }
  | { readonly kind: 'deleteRange'; readonly gte: Buffer; readonly lt: Buffer }

/** Keys from `gte` on and below `lt`, by their bytes; a bound that is left out bounds nothing. */
export interface KeyRange {
  readonly gte?: Buffer
  readonly lt?: Buffer
}

/** A key with its value. */
export interface StoreRow {
  readonly key: Buffer
  readonly value: Buffer
}

/** What a full scan has read. */
export interface StoreContent {
  readonly rows: number
  /** Bytes of keys and values. */
  readonly bytes: number
}

/**
 * An ordered map from bytes to bytes that survives a crash (D5), as a port (D9). Keys have at least
 * one byte and are ordered by their bytes; values may be empty. One owner at a time. Every method
 * throws `TocsinError`:
 *
 * - STATE_DISK_FULL: nothing is acknowledged; wait for space and try again;
 * - STATE_CORRUPT: damage was found; STATE_IO: the system refused; neither mends itself;
 * - ASSERTION: it was called wrongly: a key that is no Buffer, a store that is closed.
 *
 * A write or a flush that failed has an unknown outcome, as one in a crash has.
 */
export interface StateStore {
  /** The values of these keys, in their order; undefined where there is none. */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>
  /**
   * Applies all changes or, after a crash, none. Calls take effect in their order, and a crash loses
   * a later batch with every earlier one that it loses. Buffers must not be changed until it returns.
   * Not durable yet: a batch counts when a later `flush` has returned.
   */
  write(batch: readonly StoreChange[]): Promise<void>
  /** Makes durable what was written before the call. */
  flush(): Promise<void>
  /**
   * The rows of the range in order, in lists of at most `batchSize`, none of them empty: the store as
   * it was when the first list was asked for. Ends early only by an error.
   */
  iterate(range: KeyRange, batchSize: number): AsyncIterable<readonly StoreRow[]>
  /**
   * Makes a durable copy that can be opened as a store: all that was written before the call and
   * nothing after. The copy shares files with the store, so it must be on the same file system.
   * `directory` appears whole or not at all, and must not be there before.
   */
  checkpointTo(directory: string): Promise<void>
  /**
   * Reads every row with its checksum.
   * @throws {TocsinError} STATE_CORRUPT where the disk has changed what was written.
   */
  verify(): Promise<StoreContent>
  /**
   * Waits for the calls that are under way, ends open iterations with an error, and lets go of the
   * directory. Does not flush. Closing twice is fine.
   * @throws {TocsinError} STATE_NOT_CLOSED when that takes longer than the store's limit.
   */
  close(): Promise<void>
}

/** How a store is opened. */
export interface OpenStateStoreOptions {
  /**
   * Whether the job has never run: only then is a store made where there is none. Who says so
   * without knowing it turns a lost store into an empty one.
   */
  readonly firstStart: boolean
}

/**
 * Opens the store in a directory.
 * @throws {TocsinError} STATE_MISSING: there is none, and it is not the first start; STATE_LOCKED:
 * another owner has it open; STATE_CORRUPT, STATE_DISK_FULL, STATE_IO; STATE_BINDING_MISSING: the
 * store's program library cannot be loaded here.
 */
export type OpenStateStore = (
  directory: string,
  options: OpenStateStoreOptions,
) => Promise<StateStore>

/** Reads all rows of a store: the way of `verify`, whatever lies below. */
export async function contentOf(store: Pick<StateStore, 'iterate'>): Promise<StoreContent> {
  let rows = 0
  let bytes = 0
  for await (const list of store.iterate({}, 1000)) {
    rows += list.length
    for (const { key, value } of list) bytes += key.length + value.length
  }
  return { rows, bytes }
}

/**
 * The changes that do something, after a check that they are well-formed. Stores call it first: a
 * native library may take a number for a key as an address, and RocksDB fails for good over a range
 * whose end comes before its start.
 * @throws {TocsinError} ASSERTION
 */
export function checkedChanges(batch: readonly StoreChange[]): readonly StoreChange[] {
  let idle = false
  for (const change of batch) {
    switch (change.kind) {
      case 'put':
        assertKey(change.key)
        assert(Buffer.isBuffer(change.value), 'a value of the state store is a Buffer')
        break
      case 'delete':
        assertKey(change.key)
        break
      case 'deleteRange':
        assertKey(change.gte)
        assertKey(change.lt)
        assert(Buffer.compare(change.gte, change.lt) <= 0, 'a range ends before it begins')
        idle ||= change.gte.equals(change.lt)
        break
      default:
        change satisfies never
        assert(false, 'an unknown change for the state store')
    }
  }
  if (!idle) return batch
  return batch.filter((change) => change.kind !== 'deleteRange' || !change.gte.equals(change.lt))
}

/** @throws {TocsinError} ASSERTION unless this is a Buffer of at least one byte. */
export function assertKey(key: unknown): asserts key is Buffer {
  assert(Buffer.isBuffer(key) && key.length > 0, 'a key of the state store is a Buffer, not empty')
}
