import { FileSystemError } from '../../src/connector/file-system.ts'
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
import { latin1, StoreNode } from './simulated-disk.ts'
import type { SimulatedFileSystem } from './simulated-file-system.ts'
import type { Operation, SimulatedMachine } from './simulated-machine.ts'

/** Opens stores on a simulated machine; what a crash leaves of them, `StoreNode` says. */
export function simulatedStateStore(
  machine: SimulatedMachine,
  files: SimulatedFileSystem,
): OpenStateStore {
  return (directory, { firstStart }) =>
    attempt(async () => {
      const path = `${directory}/CURRENT`
      const found = await machine.perform({ kind: 'read', path, apply: () => files.nodeAt(path) })
      if (found === undefined && !firstStart) {
        throw new TocsinError('STATE_MISSING', `there is no state in ${directory}`)
      }
      if (found === undefined) await files.makeDirectory(directory)
      const apply = () => {
        const node = found ?? new StoreNode()
        assert(node.kind === 'store', `${path} is no simulated store`)
        if (node.owner !== null) throw new TocsinError('STATE_LOCKED', `${directory} is open`)
        if (found === undefined) files.place(directory, 'CURRENT', node)
        return new SimulatedStateStore(machine, files, directory, node)
      }
      return machine.perform({ kind: 'write', path, apply })
    })
}

class SimulatedStateStore implements StateStore {
  readonly #machine: SimulatedMachine
  readonly #files: SimulatedFileSystem
  readonly #directory: string
  readonly #node: StoreNode
  #changes: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(
    machine: SimulatedMachine,
    files: SimulatedFileSystem,
    directory: string,
    node: StoreNode,
  ) {
    this.#machine = machine
    this.#files = files
    this.#directory = directory
    this.#node = node
    node.owner = this
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    this.#assertOpen()
    for (const key of keys) assertKey(key)
    if (keys.length === 0) return []
    return this.#perform('read', () => {
      this.#rot()
      return keys.map((key) => this.#read(this.#node.rows, latin1(key)))
    })
  }

  async write(batch: readonly StoreChange[]): Promise<void> {
    this.#assertOpen()
    const changes = checkedChanges(batch)
    if (changes.length === 0) return
    await this.#inOrder(() => this.#perform('write', () => this.#node.write(changes)))
  }

  async flush(): Promise<void> {
    this.#assertOpen()
    await this.#inOrder(() => this.#flush())
  }

  async *iterate(range: KeyRange, batchSize: number): AsyncGenerator<readonly StoreRow[]> {
    this.#assertOpen()
    assert(batchSize >= 1, 'a list of rows has at least one')
    if (range.gte !== undefined) assertKey(range.gte)
    if (range.lt !== undefined) assertKey(range.lt)
    const { rows } = this.#node
    const gte = range.gte === undefined ? '' : latin1(range.gte)
    const lt = range.lt === undefined ? undefined : latin1(range.lt)
    const keys = [...rows.keys()].filter((key) => key >= gte && (lt === undefined || key < lt))
    keys.sort((a, b) => (a < b ? -1 : 1))
    for (let from = 0; from < keys.length; from += batchSize) {
      this.#assertOpen()
      yield await this.#perform('read', () => {
        this.#rot()
        return keys.slice(from, from + batchSize).map((key) => ({
          key: Buffer.from(key, 'latin1'),
          value: this.#read(rows, key) as Buffer,
        }))
      })
    }
    this.#assertOpen()
  }

  async checkpointTo(directory: string): Promise<void> {
    this.#assertOpen()
    await this.#inOrder(() => attempt(() => this.#copyTo(directory)))
  }

  verify(): Promise<StoreContent> {
    return contentOf(this)
  }

  close(): Promise<void> {
    this.#closing ??= this.#changes.then(() => {
      // On a machine that has died and started again, another may own it by now.
      if (this.#node.owner === this) this.#node.owner = null
    })
    return this.#closing
  }

  async #flush(): Promise<void> {
    const apply = () => this.#node.flush()
    // A flush that failed may have reached the disk all the same.
    const fail: Operation<void>['fail'] = (random) => {
      if (random.next() < 0.5) apply()
    }
    await attempt(() => this.#machine.perform({ kind: 'sync', path: this.#directory, apply, fail }))
  }

  /** The steps of the real copy, as far as a crash can tell them apart. */
  async #copyTo(directory: string): Promise<void> {
    const files = this.#files
    const partial = `${directory}.partial`
    if ((await files.inspect(directory)) !== undefined) {
      throw new TocsinError('STATE_IO', `cannot copy the state to ${directory}: it is there`)
    }
    await this.#flush()
    await files.removeTree(partial)
    await files.makeDirectory(partial)
    await this.#perform('write', () => files.place(partial, 'CURRENT', this.#node.copy()))
    await files.rename(partial, directory)
    await files.syncDirectory(directory.slice(0, directory.lastIndexOf('/')))
  }

  #rot(): void {
    if (this.#machine.bitFlips(this.#directory)) this.#node.flipBit(this.#machine.random)
  }

  #read(rows: StoreNode['rows'], key: string): Buffer | undefined {
    if (this.#node.damaged.has(key)) {
      throw new TocsinError('STATE_CORRUPT', `a row of ${this.#directory} fails its checksum`)
    }
    const value = rows.get(key)
    return value === undefined ? undefined : Buffer.from(value)
  }

  #perform<Result>(kind: Operation<Result>['kind'], apply: () => Result): Promise<Result> {
    return attempt(() => this.#machine.perform({ kind, path: this.#directory, apply }))
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(work)
    this.#changes = done.catch(() => {})
    return done
  }

  #assertOpen(): void {
    assert(this.#closing === null, `the state store in ${this.#directory} is closed`)
  }
}

async function attempt<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error
    const code = error.code === 'ENOSPC' ? 'STATE_DISK_FULL' : 'STATE_IO'
    throw new TocsinError(code, error.message, { cause: error })
  }
}
