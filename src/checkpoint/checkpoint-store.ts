import { type FileSystem, FileSystemError, replaceFile } from '../connector/file-system.ts'
import type {
  OpenStateStore,
  StateStore,
  StoreChange,
  StoreContent,
} from '../connector/state-store.ts'
import { assert, TocsinError } from '../errors.ts'
import type { JsonValue } from '../stream/alert.ts'
import {
  corruptCheckpoint,
  decodeRow,
  encodeRow,
  entryKey,
  entryPrefix,
  headKey,
  isStagedKey,
  keyOfEntryKey,
  partKey,
  put,
  rangeOf,
  stagedKey,
} from './checkpoint-row.ts'
import type { OutboxSnapshot } from './outbox.ts'
import { decodeStagedAlerts } from './outbox-format.ts'

export interface CheckpointStoreOptions {
  readonly files: FileSystem
  readonly openStateStore: OpenStateStore
  /** Absolute; made if it is not there. It gets the database `db` and the file `checkpoint`. */
  readonly directory: string
  /** Keys that are turned into bytes before others may go on; default 1,000, a few ms. */
  readonly entriesOfSlice?: number
}

/** A checkpoint as it is written. */
export interface PreparedCheckpoint {
  readonly changes: readonly StoreChange[]
  readonly head: CheckpointHead
}

/** A key whose state has changed; `form` undefined: it has nothing open any more. */
export interface ChangedEntry {
  readonly keyGroup: number
  /** Canonical, one char a byte. */
  readonly key: string
  readonly form: JsonValue | undefined
}

/** Keys that have changed, to be taken in slices. */
export interface ChangedEntries {
  /** Looks at so many of those that are left; what has nothing to be written is left out. */
  take(count: number): readonly ChangedEntry[]
  readonly isTaken: boolean
}

/** An operator at the barrier. */
export interface OperatorChanges {
  /** The same in each run of the job. */
  readonly operator: string
  readonly entries: ChangedEntries
  /** All that it holds beside its keys: takes the place of what the checkpoint before has. */
  readonly parts: readonly JsonValue[]
}

/** What one checkpoint writes. */
export interface Checkpoint {
  /** They count from 1. */
  readonly number: number
  readonly job: JsonValue
  readonly operators: readonly OperatorChanges[]
  readonly outboxes: ReadonlyMap<string, OutboxSnapshot>
}

/** The newest checkpoint: number 0 is that of a job which has none. */
export interface CheckpointHead {
  readonly number: number
  readonly job: JsonValue
  /** By sink: what it had committed then, and the checkpoints whose alerts are kept. */
  readonly outboxes: Readonly<Record<string, OutboxHead>>
  /** By operator. */
  readonly parts: Readonly<Record<string, number>>
}

interface OutboxHead {
  readonly committed: number | null
  readonly staged: readonly number[]
}

/**
 * Opens the checkpoints of a job. Where the newest one had not been acknowledged it is made durable
 * first: what is restored from it may be sent.
 * @throws {TocsinError} CHECKPOINT_CORRUPT: it is damaged, or an acknowledged one is not there;
 *   STATE_MISSING and what else the store throws
 */
export async function openCheckpointStore(
  options: CheckpointStoreOptions,
): Promise<CheckpointStore> {
  const { files, openStateStore, directory } = options
  const acknowledged = await fileFailure(directory, async () => {
    await files.makeDirectory(directory)
    return await readAcknowledged(files, directory)
  })
  // Without an acknowledged checkpoint nothing was ever sent: nothing can be lost.
  const firstStart = acknowledged === undefined
  const store = await openStateStore(`${directory}/db`, { firstStart })
  try {
    const row = (await store.getMany([headKey]))[0]
    const head = row === undefined ? noHead : (decodeRow(row, directory) as unknown)
    const opened = new CheckpointStore(options, store, head as CheckpointHead)
    if (opened.head.number < (acknowledged ?? 0)) {
      const found = opened.head.number === 0 ? 'none is there' : `it ends at ${opened.head.number}`
      throw corruptCheckpoint(
        directory,
        `checkpoint ${acknowledged} was made durable, but ${found}`,
      )
    }
    if (opened.head.number > (acknowledged ?? 0)) await opened.acknowledge()
    return opened
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The newest checkpoint of a job, and the place of the next one. */
export class CheckpointStore {
  readonly #options: CheckpointStoreOptions
  readonly #store: StateStore
  #head: CheckpointHead

  /** Use `openCheckpointStore`. */
  constructor(options: CheckpointStoreOptions, store: StateStore, head: CheckpointHead) {
    this.#options = options
    this.#store = store
    this.#head = head
  }

  get head(): CheckpointHead {
    return this.#head
  }

  /**
   * Makes a batch of a checkpoint, in slices.
   * @param pause lets others go on between two slices
   */
  async prepare(
    { number, job, operators, outboxes }: Checkpoint,
    pause: () => Promise<void>,
  ): Promise<PreparedCheckpoint> {
    const { entriesOfSlice = 1000 } = this.#options
    const changes: StoreChange[] = []
    const parts: Record<string, number> = {}
    for (const { operator, entries, parts: own } of operators) {
      parts[operator] = own.length
      for (const [index, part] of own.entries()) {
        if (index % partsOfSlice === partsOfSlice - 1) await pause()
        changes.push(put(partKey(operator, index), encodeRow(part)))
      }
      for (const old of numbersTo(this.#head.parts[operator] ?? 0).slice(own.length)) {
        changes.push({ kind: 'delete', key: partKey(operator, old) })
      }
      // A key may have been forgotten and have come again: what is new is written last.
      const open: StoreChange[] = []
      while (!entries.isTaken) {
        for (const entry of entries.take(entriesOfSlice)) {
          const key = entryKey(operator, entry.keyGroup, entry.key)
          if (entry.form === undefined) changes.push({ kind: 'delete', key })
          else open.push(put(key, encodeRow(entry.form)))
        }
        if (!entries.isTaken) await pause()
      }
      for (const change of open) changes.push(change)
    }
    const sinks = this.#prepareOutboxes(number, outboxes, changes)
    const head: CheckpointHead = { number, job, outboxes: sinks, parts }
    changes.push(put(headKey, encodeRow(head as unknown as JsonValue)))
    return { changes, head }
  }

  /**
   * Writes a checkpoint in one batch, makes it durable and acknowledges it. After a failure the same
   * one may be written again.
   * @throws {TocsinError} STATE_DISK_FULL, STATE_IO, STATE_CORRUPT
   */
  async write({ changes, head }: PreparedCheckpoint): Promise<void> {
    await this.#store.write(changes)
    await this.acknowledge(head)
  }

  /** Makes durable what was written; its number is kept beside the store, which may lose its end. */
  async acknowledge(head = this.#head): Promise<void> {
    await this.#store.flush()
    const { files, directory } = this.#options
    await fileFailure(directory, () =>
      replaceFile(files, directory, acknowledgedName, encodeRow(head.number)),
    )
    this.#head = head
  }

  /** The keys of an operator that have something open, in lists. @throws as decodeRow */
  async *entriesOf(operator: string): AsyncIterable<readonly (readonly [Buffer, JsonValue])[]> {
    const range = rangeOf(entryPrefix(operator))
    for await (const rows of this.#store.iterate(range, rowsRead)) {
      yield rows.map(({ key, value }) => [keyOfEntryKey(key), this.#decode(value)] as const)
    }
  }

  async partsOf(operator: string): Promise<readonly JsonValue[]> {
    const keys = numbersTo(this.#head.parts[operator] ?? 0).map((part) => partKey(operator, part))
    return (await this.#read(keys)).map((row) => this.#decode(row))
  }

  /** What a sink may still lack. */
  async stagedOf(sink: string): Promise<readonly Buffer[]> {
    const numbers = this.#head.outboxes[sink]?.staged ?? []
    return await this.#read(numbers.map((number) => stagedKey(sink, number)))
  }

  /** Writes keys of an operator that the newest checkpoint does not name yet: see `replaceJob`. */
  async putEntries(operator: string, entries: readonly ChangedEntry[]): Promise<void> {
    const changes = entries.flatMap(({ keyGroup, key, form }) =>
      form === undefined ? [] : [put(entryKey(operator, keyGroup, key), encodeRow(form))],
    )
    await this.#store.write(changes)
  }

  async removeEntries(operator: string): Promise<void> {
    await this.#store.write([{ kind: 'deleteRange', ...rangeOf(entryPrefix(operator)) }])
  }

  /**
   * Gives the newest checkpoint another job in one durable step: with parts for some operators, and
   * without all that others have.
   */
  async replaceJob(
    job: JsonValue,
    added: ReadonlyMap<string, readonly JsonValue[]>,
    removed: readonly string[],
  ): Promise<void> {
    const parts = { ...this.#head.parts }
    const changes: StoreChange[] = []
    for (const operator of removed) {
      changes.push({ kind: 'deleteRange', ...rangeOf(entryPrefix(operator)) })
      for (const part of numbersTo(parts[operator] ?? 0)) {
        changes.push({ kind: 'delete', key: partKey(operator, part) })
      }
      delete parts[operator]
    }
    for (const [operator, own] of added) {
      own.forEach((part, index) => {
        changes.push(put(partKey(operator, index), encodeRow(part)))
      })
      parts[operator] = own.length
    }
    const head = { ...this.#head, job, parts }
    changes.push(put(headKey, encodeRow(head as unknown as JsonValue)))
    await this.write({ changes, head })
  }

  /** Makes a checkpoint of what `putEntries` has written and of the rest; the store has none yet. */
  async create(
    number: number,
    job: JsonValue,
    parts: ReadonlyMap<string, readonly JsonValue[]>,
    sinks: ReadonlyMap<
      string,
      { readonly committed: number | null; readonly staged: ReadonlyMap<number, Buffer> }
    >,
  ): Promise<void> {
    assert(this.#head.number === 0, 'a checkpoint is made where there is none')
    const outboxes: Record<string, OutboxHead> = {}
    const changes: StoreChange[] = []
    for (const [sink, { committed, staged }] of sinks) {
      outboxes[sink] = { committed, staged: [...staged.keys()].sort((a, b) => a - b) }
      for (const [checkpoint, alerts] of staged) {
        changes.push(put(stagedKey(sink, checkpoint), alerts))
      }
    }
    if (changes.length > 0) await this.#store.write(changes)
    this.#head = { number, job, outboxes, parts: {} }
    await this.replaceJob(job, parts, [])
  }

  /**
   * Makes a copy that can be opened as the checkpoints of a job; what is not written with the newest
   * one must not be in the store. The copy is there whole or not at all.
   */
  async copyTo(directory: string): Promise<void> {
    const { files } = this.#options
    const partial = `${directory}.partial`
    await fileFailure(directory, async () => {
      await files.removeTree(partial)
      await files.makeDirectory(partial)
    })
    await this.copyDatabaseTo(`${partial}/db`)
    await fileFailure(directory, async () => {
      await replaceFile(files, partial, acknowledgedName, encodeRow(this.#head.number))
      await files.rename(partial, directory)
      await files.syncDirectory(directory.slice(0, directory.lastIndexOf('/')))
    })
  }

  /** The same of the database alone. */
  copyDatabaseTo(directory: string): Promise<void> {
    return this.#store.checkpointTo(directory)
  }

  /**
   * Reads everything, with its checksums.
   * @throws {TocsinError} CHECKPOINT_CORRUPT, STATE_CORRUPT
   */
  async verify(): Promise<StoreContent> {
    let rows = 0
    let bytes = 0
    for await (const list of this.#store.iterate({}, rowsRead)) {
      rows += list.length
      for (const { key, value } of list) {
        bytes += key.length + value.length
        if (isStagedKey(key)) decodeStagedAlerts(value)
        else this.#decode(value)
      }
    }
    for (const operator of Object.keys(this.#head.parts)) await this.partsOf(operator)
    for (const sink of Object.keys(this.#head.outboxes)) await this.stagedOf(sink)
    return { rows, bytes }
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #decode(row: Buffer): JsonValue {
    return decodeRow(row, this.#options.directory)
  }

  async #read(keys: readonly Buffer[]): Promise<Buffer[]> {
    const rows = await this.#store.getMany(keys)
    if (rows.includes(undefined)) {
      throw corruptCheckpoint(this.#options.directory, 'a row of it is not there')
    }
    return rows as Buffer[]
  }

  #prepareOutboxes(
    number: number,
    outboxes: Checkpoint['outboxes'],
    changes: StoreChange[],
  ): Record<string, OutboxHead> {
    const sinks: Record<string, OutboxHead> = {}
    for (const [sink, snapshot] of outboxes) {
      const known = this.#head.outboxes[sink]?.staged ?? []
      const done = snapshot.committed ?? 0
      for (const old of known.filter((each) => each <= done)) {
        changes.push({ kind: 'delete', key: stagedKey(sink, old) })
      }
      const staged = known.filter((each) => each > done)
      if (snapshot.staged !== undefined) {
        changes.push(put(stagedKey(sink, number), Buffer.from(snapshot.staged)))
        staged.push(number)
      }
      sinks[sink] = { committed: snapshot.committed ?? null, staged }
    }
    return sinks
  }
}

const noHead: CheckpointHead = { number: 0, job: null, outboxes: {}, parts: {} }
const rowsRead = 1000
/** Parts that are turned into bytes before others may go on. */
const partsOfSlice = 4
const acknowledgedName = 'checkpoint'

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

/** The number of the newest checkpoint that was acknowledged; undefined: none was. */
async function readAcknowledged(files: FileSystem, directory: string): Promise<number | undefined> {
  const path = `${directory}/${acknowledgedName}`
  if ((await files.inspect(path)) === undefined) return undefined
  return decodeRow(await files.readFile(path), directory) as number
}

/** Runs work on files; what they refuse is a failure of the state. */
export async function fileFailure<Result>(
  directory: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof FileSystemError)) throw cause
    const code = cause.code === 'ENOSPC' ? 'STATE_DISK_FULL' : 'STATE_IO'
    throw new TocsinError(code, `the state in ${directory}: ${cause.message}`, { cause })
  }
}
