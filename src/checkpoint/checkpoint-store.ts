import { type FileSystem, FileSystemError, replaceFile } from '../connector/file-system.ts'
import type {
  OpenStateStore,
  StateStore,
  StoreChange,
  StoreContent,
} from '../connector/state-store.ts'
import { assert, TocsinError } from '../errors.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { Scheduler } from '../time/clock.ts'
import {
  corruptCheckpoint,
  decodeRow,
  encodeRow,
  headKey,
  isPageKey,
  isStagedKey,
  isTimeKey,
  livesKey,
  partKey,
  put,
  rangeOf,
  stagedKey,
  timePrefix,
} from './checkpoint-row.ts'
import { logPrefixes } from './entry-log.ts'
import { contentOf, keyOf, readPage } from './entry-page.ts'
import { newestRecords, pagesOfEntries, type StoredKey } from './log-contents.ts'
import type { OutboxSnapshot } from './outbox.ts'
import { decodeStagedAlerts } from './outbox-format.ts'
import { nextLife, type RowTag, RowValidity, type SavedLives } from './row-validity.ts'
import { RowWriter } from './row-writer.ts'
import { SpaceWait } from './space-wait.ts'
import { timesOfRowContent } from './stored-times.ts'

export interface CheckpointStoreOptions {
  readonly files: FileSystem
  readonly openStateStore: OpenStateStore
  /** Absolute; made if it is not there. It gets the database `db` and the file `checkpoint`. */
  readonly directory: string
  /** Keys that are turned into bytes before others may go on; default 250, a few ms. */
  readonly entriesOfSlice?: number
  readonly scheduler: Scheduler
  /** Told of what found no space on the disk, and when it is tried again. */
  readonly onStalled?: (failure: TocsinError, waitMs: number) => void
}

/** A checkpoint as it is written. */
export interface PreparedCheckpoint {
  readonly changes: readonly StoreChange[]
  readonly head: CheckpointHead
}

/** Keys that have changed, to be written in slices: their rows count with the checkpoint. */
export interface ChangedEntries {
  /** The number of the checkpoint. */
  readonly checkpoint: number
  /** Writes so many of those that are left. */
  write(count: number): void
  readonly isWritten: boolean
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
  /** Operators whose keys have no timers and no times of expiry on disk. */
  readonly untimed?: readonly string[]
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
    const lives = await beginLife(store, (head as CheckpointHead).number, directory)
    const opened = new CheckpointStore(options, store, head as CheckpointHead, lives)
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
  /** What is waited for where the disk is full. */
  readonly space: SpaceWait
  /** Writes rows of the next checkpoint, before that is complete. */
  readonly writer: RowWriter
  /** Which rows of entries count. */
  readonly validity: RowValidity
  readonly #options: CheckpointStoreOptions
  readonly #store: StateStore
  #head: CheckpointHead
  /** The greatest number of a checkpoint that was begun. */
  #begun = 0
  /** Operators to which `putEntries` has given keys, with the number of pages. */
  readonly #putPages = new Map<string, number>()

  /** Use `openCheckpointStore`. */
  constructor(
    options: CheckpointStoreOptions,
    store: StateStore,
    head: CheckpointHead,
    lives: SavedLives,
  ) {
    this.#options = options
    this.#store = store
    this.#head = head
    this.space = new SpaceWait(options.scheduler, options.onStalled)
    this.writer = new RowWriter(store, this.space)
    this.validity = new RowValidity(lives, head.number)
  }

  /** Lets others go on. */
  readonly pause = (): Promise<void> => this.#options.scheduler.sleep(0)

  /** The number of the checkpoint that will be begun next. */
  get nextCheckpoint(): number {
    return Math.max(this.#head.number, this.#begun) + 1
  }

  /** Whether the newest checkpoint knows the operator. */
  hasOperator(operator: string): boolean {
    return Object.hasOwn(this.#head.parts, operator)
  }

  /** All rows. */
  get rows(): StateStore {
    return this.#store
  }

  /** The folder of the state, for messages. */
  get directory(): string {
    return this.#options.directory
  }

  get head(): CheckpointHead {
    return this.#head
  }

  /**
   * Writes the entries of a checkpoint in slices, and makes a batch of the rest, which makes them count.
   * @param pause lets others go on between two slices
   */
  async prepare(
    { number, job, operators, outboxes }: Checkpoint,
    pause: () => Promise<void>,
  ): Promise<PreparedCheckpoint> {
    const { entriesOfSlice = 250 } = this.#options
    this.#begun = number
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
      assert(entries.checkpoint === number, 'all operators write the same checkpoint')
      // The barrier alone takes some ms: a batch comes before the first slice too.
      do {
        await pause()
        entries.write(entriesOfSlice)
        await this.writer.share()
      } while (!entries.isWritten)
    }
    await this.writer.drained()
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
    this.validity.committed = head.number
  }

  /**
   * The keys of an operator that the newest checkpoint has something open for, in lists, with what the operator wrote of them
   * (`EntryFormat`). Of keys whose state has run out some are there. @throws as readPage
   */
  async *entriesOf(operator: string): AsyncIterable<readonly StoredKey[]> {
    const log = { operator, store: this.#store, directory: this.directory }
    const isCommitted = (tag: RowTag) => this.validity.isCommitted(tag)
    for await (const records of newestRecords(log, isCommitted)) {
      yield records.map((record) => ({ key: keyOf(record), content: contentOf(record) }))
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

  /**
   * Writes keys of an operator that the newest checkpoint does not name yet: see `replaceJob`. Their
   * timers are not written: see `isUntimed`.
   */
  async putEntries(operator: string, entries: readonly StoredKey[]): Promise<void> {
    const tag = { life: this.validity.life, checkpoint: Math.max(1, this.#head.number) }
    const first = this.#putPages.get(operator) ?? 0
    const changes = pagesOfEntries(operator, first, tag, entries)
    this.#putPages.set(operator, first + changes.length)
    await this.#store.write(changes)
  }

  async removeEntries(operator: string): Promise<void> {
    this.#putPages.delete(operator)
    await this.#store.write(deletionOf(operator))
  }

  /** Whether the keys of an operator have no timers and no times of expiry on disk. */
  isUntimed(operator: string): boolean {
    return this.#head.untimed?.includes(operator) === true
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
      changes.push(...deletionOf(operator))
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
    const untimed = Object.keys(parts).filter(
      (operator) => this.#putPages.has(operator) || this.isUntimed(operator),
    )
    const head = { ...this.#head, job, parts, untimed }
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
    for await (const list of this.#store.iterate({}, 1000)) {
      rows += list.length
      for (const { key, value } of list) {
        bytes += key.length + value.length
        if (isStagedKey(key)) decodeStagedAlerts(value)
        else if (isPageKey(key)) readPage(value, this.directory)
        else if (isTimeKey(key)) timesOfRowContent(value, this.directory)
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
      const { staged: bytes, committed: done = 0 } = snapshot
      for (const old of known.filter((each) => each <= done)) {
        changes.push({ kind: 'delete', key: stagedKey(sink, old) })
      }
      const staged = known.filter((each) => each > done)
      if (bytes !== undefined) {
        changes.push(put(stagedKey(sink, number), bytes))
        staged.push(number)
      }
      sinks[sink] = { committed: snapshot.committed ?? null, staged }
    }
    return sinks
  }
}

const noHead: CheckpointHead = { number: 0, job: null, outboxes: {}, parts: {} }
/** Parts that are turned into bytes before others may go on. */
const partsOfSlice = 4
const acknowledgedName = 'checkpoint'

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

/** From here on rows are this process's: those that the one before wrote beyond its checkpoint die. */
async function beginLife(
  store: StateStore,
  checkpoint: number,
  directory: string,
): Promise<SavedLives> {
  const [row] = await store.getMany([livesKey])
  const saved = row === undefined ? undefined : (decodeRow(row, directory) as unknown)
  const lives = nextLife(saved as SavedLives | undefined, checkpoint)
  await store.write([put(livesKey, encodeRow(lives as unknown as JsonValue))])
  return lives
}

/** Deletes all that an operator has by keys. */
function deletionOf(operator: string): StoreChange[] {
  const prefixes = [...logPrefixes(operator), timePrefix(operator)]
  return prefixes.map((prefix) => ({ kind: 'deleteRange', ...rangeOf(prefix) }))
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
