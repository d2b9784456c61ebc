import type RocksDB from 'rocksdb'
import type { FileSystem } from '../../src/connector/file-system.ts'
import {
  assertKey,
  checkedChanges,
  contentOf,
  type KeyRange,
  type OpenStateStore,
  type StateStore,
  type StoreChange,
  type StoreContent,
  type StoreRow,
} from '../../src/connector/state-store.ts'
import { assert, TocsinError } from '../../src/errors.ts'
import { nodeFileSystem } from '../node-file-system.ts'
import { loadBinding } from './binding.ts'
import { copyDatabase } from './database-copy.ts'
import { storeFailure } from './store-failure.ts'

/** What a RocksDB store may be told. */
export interface RocksDBStoreOptions {
  /** Bytes of a memtable: small ones are replayed fast after a crash. Default 8 MiB. */
  readonly writeBufferBytes?: number
  /** How long `close` may take, default 10,000. */
  readonly closeTimeoutMs?: number
  /** Flushes between two cuts of RocksDB's own log, about 7 KB each; default 500. */
  readonly flushesPerLogCut?: number
  /** What the folder is looked at and copied with; default: the machine's. */
  readonly files?: FileSystem
  /** How the native binding is got; default: the package `rocksdb`. */
  readonly load?: Parameters<typeof loadBinding>[0]
}

/** Opens state stores in RocksDB, one column family each. */
export function rocksdbStateStore(options: RocksDBStoreOptions = {}): OpenStateStore {
  const settings: Settings = {
    writeBufferBytes: options.writeBufferBytes ?? 8 << 20,
    closeTimeoutMs: options.closeTimeoutMs ?? 10_000,
    flushesPerLogCut: options.flushesPerLogCut ?? 500,
    files: options.files ?? nodeFileSystem,
  }
  return async (directory, { firstStart }) => {
    const binding = await loadBinding(options.load)
    try {
      await prepareDirectory(settings.files, directory, firstStart)
      const database = new binding(directory, {
        createIfMissing: firstStart,
        writeBufferSize: settings.writeBufferBytes,
        // Measured: the system's cache serves reads faster than RocksDB's own, which is fixed at 32 MiB.
        blockCache: false,
        tableCacheIndexAndFilterBlocks: false,
      })
      await database.ready()
      const store = new RocksDBStateStore(directory, database, settings)
      await store.cutLog()
      return store
    } catch (error) {
      throw storeFailure('open', directory, error)
    }
  }
}

interface Settings {
  readonly writeBufferBytes: number
  readonly closeTimeoutMs: number
  readonly flushesPerLogCut: number
  readonly files: FileSystem
}

/**
 * RocksDB makes a folder with a log in it even where it may not make a database, and a new database
 * over the tables of one that has lost its CURRENT: so it is asked only where it will do right.
 */
async function prepareDirectory(
  files: FileSystem,
  directory: string,
  firstStart: boolean,
): Promise<void> {
  if ((await files.inspect(`${directory}/CURRENT`)) !== undefined) return
  const status = await files.inspect(directory)
  const names = status?.kind === 'directory' ? await files.list(directory) : []
  if (names.some((name) => name.endsWith('.sst'))) {
    const message = `the state in ${directory} has lost its file CURRENT; go back to a retained checkpoint or a savepoint`
    throw new TocsinError('STATE_CORRUPT', message)
  }
  if (!firstStart) {
    throw new TocsinError('STATE_MISSING', `there is no state in ${directory}, but the job has run`)
  }
  await files.makeDirectory(directory)
}

/**
 * A store in RocksDB by the package rocksdb-native. It has no synced write: a flush, which writes
 * the memtable to a synced table, is what makes a batch durable.
 */
class RocksDBStateStore implements StateStore {
  readonly #directory: string
  readonly #database: RocksDB
  readonly #settings: Settings
  readonly #scans = new Set<RocksDB.RowStream>()
  /** Settles when the last change that was asked for is done. */
  #changes: Promise<unknown> = Promise.resolve()
  #flushes = 0
  #closing: Promise<void> | null = null

  constructor(directory: string, database: RocksDB, settings: Settings) {
    this.#directory = directory
    this.#database = database
    this.#settings = settings
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    this.#assertOpen()
    for (const key of keys) assertKey(key)
    if (keys.length === 0) return []
    return this.#attempt('read', async () => {
      const batch = this.#database.read({ capacity: keys.length })
      try {
        const reads = Promise.all(keys.map((key) => batch.get(key)))
        // `flush` fails for the same reason, with all of them.
        reads.catch(() => {})
        await batch.flush()
        return (await reads).map((value) => value ?? undefined)
      } finally {
        batch.destroy()
      }
    })
  }

  async write(batch: readonly StoreChange[]): Promise<void> {
    this.#assertOpen()
    const changes = checkedChanges(batch)
    if (changes.length === 0) return
    await this.#inOrder('write', () => writeBatch(this.#database, changes))
  }

  async flush(): Promise<void> {
    this.#assertOpen()
    await this.#inOrder('flush', () => this.#flush())
  }

  async *iterate(range: KeyRange, batchSize: number): AsyncGenerator<readonly StoreRow[]> {
    this.#assertOpen()
    assert(batchSize >= 1, 'a list of rows has at least one')
    if (range.gte !== undefined) assertKey(range.gte)
    if (range.lt !== undefined) assertKey(range.lt)
    const snapshot = this.#database.snapshot()
    const scan = snapshot.iterator({ ...range }, { capacity: batchSize })
    this.#scans.add(scan)
    try {
      let rows: StoreRow[] = []
      for await (const row of scan) {
        rows.push(row)
        if (rows.length < batchSize) continue
        yield rows
        rows = []
      }
      // A scan that `close` has ended may end like one that is through.
      this.#assertOpen()
      if (rows.length > 0) yield rows
    } catch (error) {
      this.#assertOpen()
      throw storeFailure('read', this.#directory, error)
    } finally {
      this.#scans.delete(scan)
      scan.destroy()
      await snapshot.close()
    }
  }

  async checkpointTo(directory: string): Promise<void> {
    this.#assertOpen()
    await this.#inOrder('copy', async () => {
      const { files } = this.#settings
      if ((await files.inspect(directory)) !== undefined) {
        throw new TocsinError('STATE_IO', `cannot copy the state to ${directory}: it is there`)
      }
      await this.#flush()
      await copyDatabase(files, this.#directory, directory)
    })
  }

  verify(): Promise<StoreContent> {
    return contentOf(this)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** RocksDB tells its doings to files that nothing limits: about 600 MB a day, one flush a second. */
  async cutLog(): Promise<void> {
    const { files } = this.#settings
    for (const name of await files.list(this.#directory)) {
      if (name.startsWith('LOG.old.')) await files.remove(`${this.#directory}/${name}`)
    }
    const log = await files.openFile(`${this.#directory}/LOG`, 'existing')
    try {
      await log.truncate(0)
    } finally {
      await log.close()
    }
  }

  async #flush(): Promise<void> {
    this.#flushes++
    if (this.#flushes % this.#settings.flushesPerLogCut === 0) await this.cutLog()
    await this.#database.flush()
  }

  async #close(): Promise<void> {
    await this.#changes
    for (const scan of this.#scans) scan.destroy()
    const { closeTimeoutMs } = this.#settings
    const closed = await within(
      closeTimeoutMs,
      this.#attempt('close', () => this.#database.close()),
    )
    if (closed) return
    const message = `the state in ${this.#directory} did not close within ${closeTimeoutMs} ms`
    throw new TocsinError('STATE_NOT_CLOSED', message)
  }

  /** Runs after all changes that were asked for before, whether they went well or not. */
  #inOrder(verb: string, work: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(() => this.#attempt(verb, work))
    this.#changes = done.catch(() => {})
    return done
  }

  async #attempt<Result>(verb: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw storeFailure(verb, this.#directory, error)
    }
  }

  #assertOpen(): void {
    assert(this.#closing === null, `the state store in ${this.#directory} is closed`)
  }
}

async function writeBatch(database: RocksDB, changes: readonly StoreChange[]): Promise<void> {
  const batch = database.write({ capacity: changes.length })
  try {
    for (const change of changes) {
      switch (change.kind) {
        case 'put':
          batch.tryPut(change.key, change.value)
          break
        case 'delete':
          batch.tryDelete(change.key)
          break
        case 'deleteRange':
          batch.tryDeleteRange(change.gte, change.lt)
          break
      }
    }
    await batch.flush()
  } finally {
    batch.destroy()
  }
}

/** Whether the work ended in time; a failure of the work is thrown. */
async function within(timeoutMs: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
