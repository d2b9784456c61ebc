import type { StateStore, StoreChange } from '../connector/state-store.ts'
import { ByteWriter } from '../state/byte-writer.ts'
import type { EntryFormat } from '../state/entry-format.ts'
import { keyGroupOf } from '../stream/key-group.ts'
import { entriesPrefix, entryKeyIn, entryKeyOf, type KeyText } from './checkpoint-row.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { EntryReads, type FoundRow } from './entry-reads.ts'
import {
  beginRow,
  expiryBucketOf,
  expiryEndOf,
  hasExpired,
  noExpiry,
  type RowSide,
  readRow,
  type StoredEntry,
  sealRow,
} from './entry-row.ts'
import { type GroupRows, groupRows, newestOf } from './group-rows.ts'
import type { RowValidity } from './row-validity.ts'
import type { RowWriter, WrittenRow } from './row-writer.ts'
import { StoredExpiries } from './stored-expiries.ts'
import { StoredTimers } from './stored-timers.ts'

/** The rows of an operator's keys: those on disk, and those on their way there or from there. */
export class EntryRows {
  readonly timers: StoredTimers
  readonly expiries: StoredExpiries
  readonly validity: RowValidity
  readonly writer: RowWriter
  readonly #prefix: Buffer
  /** The folder of the state, for messages. */
  readonly directory: string
  readonly #operator: string
  readonly #store: StateStore
  readonly #format: EntryFormat
  readonly #reads: EntryReads
  readonly #row = new ByteWriter()
  /** Rows that are on their way to the disk: a read would not find them. */
  readonly #leaving = new Map<string, LeavingRow>()

  /**
   * @param operator names it in the store
   * @param isNew whether it has nothing there
   */
  constructor(store: CheckpointStore, operator: string, format: EntryFormat, isNew: boolean) {
    const { rows, writer, validity, directory } = store
    this.validity = validity
    this.writer = writer
    this.#prefix = entriesPrefix(operator)
    this.directory = directory
    this.#operator = operator
    this.#store = rows
    this.#format = format
    this.#reads = new EntryReads({ operator, store: rows, validity, directory })
    const { life } = validity
    const options = { operator, store: rows, writer, life, directory }
    this.timers = new StoredTimers(options, isNew)
    this.expiries = new StoredExpiries(options)
  }

  /** Whether `take` has nothing to give, for whatever key. */
  get isQuiet(): boolean {
    return this.#reads.size === 0 && this.#leaving.size === 0
  }

  /** Whether the key's newest row, or its deletion, is on its way to the disk. */
  isLeaving(key: string): boolean {
    return this.#leaving.has(key)
  }

  /**
   * Asks for the newest row of a key.
   * @param sides those on which it may be, as bits; 0: there is none
   * @returns what resolves when it is there, after `sendReads`; `null`: it is
   */
  ask(key: string, hash: number, sides: number): Promise<void> | null {
    if (sides === 0 || this.#leaving.has(key)) return null
    return this.#reads.ask(key, hash, sides)
  }

  sendReads(): void {
    this.#reads.send()
  }

  /** Forgets what was asked for, has come and was not taken. */
  forgetReads(): void {
    this.#reads.clear()
  }

  /** The same of one key, whether it has come or not. */
  forgetRead(key: string): void {
    if (this.#reads.size > 0) this.#reads.forget(key)
  }

  /** The newest row of a key that has been asked for, once. */
  take(key: string): FoundRow | undefined {
    const leaving = this.#leaving.get(key)
    const read = this.#reads.take(key)
    if (leaving === undefined) return read
    const { side, value: bytes } = leaving
    return bytes === null ? undefined : { side, bytes, row: readRow(bytes, this.directory) }
  }

  /**
   * Writes what an entry holds, for a checkpoint.
   * @param watermark event time at which what is written holds, at most
   * @returns whether it is that the key holds nothing any more
   */
  write(entry: StoredEntry, checkpoint: number, watermark: number): boolean {
    const isEmpty = this.#format.isEmpty(entry)
    if (isEmpty && (entry.rowCheckpoint === 0 || saysNothing(entry, watermark))) return false
    const isAgain = entry.rowCheckpoint === checkpoint
    if (isEmpty && isAgain && entry.isFresh) {
      // No checkpoint knows of the key.
      this.deleteOf(entry)
      entry.rowCheckpoint = 0
      return false
    }
    const expiryBefore = entry.isFresh ? entry.rowExpiryBucket : -1
    if (!isAgain && entry.rowCheckpoint > 0) {
      entry.rowSide = (1 - entry.rowSide) as RowSide
      entry.isFresh = false
    }
    const expiresAt = isEmpty ? Infinity : this.#format.expiryOf(entry)
    const timerAt = isEmpty || expiresAt !== Infinity ? Infinity : entry.timerAt
    entry.rowCheckpoint = checkpoint
    entry.isTombstone = isEmpty
    entry.rowExpiryBucket = expiryBucketOf(expiresAt)
    const tag = { life: this.validity.life, checkpoint }
    beginRow(this.#row, tag, { isTombstone: isEmpty, isFresh: entry.isFresh, timerAt, expiresAt })
    if (!isEmpty) this.#format.write(entry, this.#row)
    this.#send(entry, sealRow(this.#row))
    this.#noteTimes(entry, timerAt, expiryBefore)
    return isEmpty
  }

  /** Deletes the rows of an entry: nothing may need them any more. */
  deleteOf({ key, hash, isFresh }: StoredEntry): void {
    const keyGroup = keyGroupOf(hash)
    if (!isFresh) this.writer.add({ kind: 'delete', key: this.#keyOf(keyGroup, 1, key) })
    this.#leave(new LeavingRow(this.#leaving, key, 0, this.#keyOf(keyGroup, 0, key), null))
  }

  /** Deletes rows that say nothing any more: who reads them until then sees that. */
  deleteExpired(key: KeyText, hash: number, isFresh: boolean): void {
    const keyGroup = keyGroupOf(hash)
    const prefix = this.#prefix
    this.writer.add({ kind: 'delete', key: entryKeyOf(prefix, keyGroup, 0, key) })
    if (!isFresh) this.writer.add({ kind: 'delete', key: entryKeyOf(prefix, keyGroup, 1, key) })
  }

  /**
   * The rows of the first key group from `keyGroup` on that has some; undefined: none has.
   * @param pause called after each list of rows
   */
  async groupFrom(keyGroup: number, pause: () => Promise<void>): Promise<GroupRows | undefined> {
    for await (const group of groupRows(this.#store, this.#operator, keyGroup, pause)) return group
    return undefined
  }

  /** The newest of a key's rows that counts, of a group. */
  newestOf(key: string, group: GroupRows): FoundRow | undefined {
    return newestOf(key, group, this.directory, (tag) => this.validity.isValid(tag))
  }

  /** Hands over the times that were noted with entries. */
  sendTimes(): void {
    this.timers.send()
    this.expiries.send()
  }

  #noteTimes(entry: StoredEntry, timerAt: number, expiryBefore: number): void {
    const { rowExpiryBucket: expiry, key, isFresh } = entry
    if (timerAt !== Infinity && !entry.timerStored) {
      this.timers.note(timerAt, key)
      entry.timerStored = true
    }
    if (expiry === noExpiry || (isFresh && expiry === expiryBefore)) return
    this.expiries.note(expiryEndOf(expiry), key, isFresh)
  }

  #send({ key, hash, rowSide }: StoredEntry, bytes: Buffer): void {
    const rowKey = this.#keyOf(keyGroupOf(hash), rowSide, key)
    this.#leave(new LeavingRow(this.#leaving, key, rowSide, rowKey, bytes))
  }

  #leave(row: LeavingRow): void {
    this.#leaving.set(row.text, row)
    this.writer.add(row as StoreChange, row)
  }

  #keyOf(keyGroup: number, side: RowSide, key: string): Buffer {
    return entryKeyIn(this.#prefix, keyGroup, side, key)
  }
}

/** Whether the entry's newest row says the same as no row. */
export function saysNothing(
  { isTombstone, rowExpiryBucket }: StoredEntry,
  watermark: number,
): boolean {
  return isTombstone || hasExpired(rowExpiryBucket, watermark)
}

/** A row that is on its way to the disk, and the change that brings it there. */
class LeavingRow implements WrittenRow {
  readonly kind: 'put' | 'delete'
  readonly key: Buffer
  /** `null`: the key's rows are deleted. */
  readonly value: Buffer | null
  readonly side: RowSide
  /** The canonical key of the entry. */
  readonly text: string
  readonly #all: Map<string, LeavingRow>

  constructor(
    all: Map<string, LeavingRow>,
    text: string,
    side: RowSide,
    key: Buffer,
    value: Buffer | null,
  ) {
    this.kind = value === null ? 'delete' : 'put'
    this.key = key
    this.value = value
    this.side = side
    this.text = text
    this.#all = all
  }

  notifyWritten(): void {
    if (this.#all.get(this.text) === this) this.#all.delete(this.text)
  }
}
