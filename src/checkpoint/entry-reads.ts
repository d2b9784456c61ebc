import type { StateStore } from '../connector/state-store.ts'
import { assert } from '../errors.ts'
import { keyGroupOf } from '../stream/key-group.ts'
import { entriesPrefix, entryKeyIn } from './checkpoint-row.ts'
import { type EntryRow, type RowSide, type RowTag, readRow } from './entry-row.ts'
import type { RowValidity } from './row-validity.ts'

/** Keys that are asked for at once. */
const keysOfRead = 256

/** The newest row of a key that counts. */
export interface FoundRow {
  readonly side: RowSide
  readonly row: EntryRow
  readonly bytes: Buffer
}

export interface EntryReadsOptions {
  readonly operator: string
  readonly store: StateStore
  readonly validity: RowValidity
  /** The folder of the state, for messages. */
  readonly directory: string
}

/**
 * Rows of entries that have been asked for, until their keys are looked up. Several reads are under
 * way at once, beside the stream.
 */
export class EntryReads {
  readonly #options: EntryReadsOptions
  readonly #reads = new Map<string, EntryRead>()
  #asked: EntryRead[] = []

  constructor(options: EntryReadsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#reads.size
  }

  /**
   * Asks for a key, if that has not been done.
   * @param sides those on which its newest row may be, as bits: 1, 2 or both
   * @returns what resolves when it is there, after `send`; `null`: it is
   */
  ask(key: string, hash: number, sides: number): Promise<void> | null {
    const known = this.#reads.get(key)
    if (known !== undefined) return known.isDone ? null : known.batch.done
    if (this.#asked.length >= keysOfRead) this.send()
    const batch = this.#asked[0]?.batch ?? newBatch()
    const read = { key, hash, sides, batch, isDone: false, found: undefined }
    this.#reads.set(key, read)
    this.#asked.push(read)
    return batch.done
  }

  /** Sends what has been asked for. */
  send(): void {
    const asked = this.#asked
    const batch = asked[0]?.batch
    if (batch === undefined) return
    this.#asked = []
    this.#read(asked).then(batch.resolve, batch.reject)
  }

  /** What was found for a key that has been asked for, and forgets it. */
  take(key: string): FoundRow | undefined {
    const read = this.#reads.get(key)
    if (read === undefined) return undefined
    assert(read.isDone, 'a key is looked up when its row has come')
    this.#reads.delete(key)
    return read.found
  }

  /** Forgets that a key was asked for. */
  forget(key: string): void {
    this.#reads.delete(key)
  }

  /** Forgets what has come and was not taken. */
  clear(): void {
    for (const [key, { isDone }] of this.#reads) if (isDone) this.#reads.delete(key)
  }

  async #read(reads: readonly EntryRead[]): Promise<void> {
    const { operator, store } = this.#options
    const prefix = entriesPrefix(operator)
    const keys: Buffer[] = []
    for (const { key, hash, sides } of reads) {
      const keyGroup = keyGroupOf(hash)
      if ((sides & 1) !== 0) keys.push(entryKeyIn(prefix, keyGroup, 0, key))
      if ((sides & 2) !== 0) keys.push(entryKeyIn(prefix, keyGroup, 1, key))
    }
    const rows = await store.getMany(keys)
    let at = 0
    for (const read of reads) {
      const first = (read.sides & 1) !== 0 ? rows[at++] : undefined
      const second = (read.sides & 2) !== 0 ? rows[at++] : undefined
      read.found = this.#newest(first, second)
      read.isDone = true
    }
  }

  #newest(first: Buffer | undefined, second: Buffer | undefined): FoundRow | undefined {
    const { validity, directory } = this.#options
    return newestRow(first, second, directory, (tag) => validity.isValid(tag))
  }
}

/** The newest of a key's two rows, of those that count. @throws {TocsinError} CHECKPOINT_CORRUPT */
export function newestRow(
  first: Buffer | undefined,
  second: Buffer | undefined,
  directory: string,
  counts: (tag: RowTag) => boolean,
): FoundRow | undefined {
  let newest: FoundRow | undefined
  for (const side of [0, 1] as const) {
    const bytes = side === 0 ? first : second
    if (bytes === undefined) continue
    const row = readRow(bytes, directory)
    if (!counts(row.tag)) continue
    if (newest !== undefined && newest.row.tag.checkpoint > row.tag.checkpoint) continue
    newest = { side, row, bytes }
  }
  return newest
}

interface EntryRead {
  readonly key: string
  readonly hash: number
  readonly sides: number
  readonly batch: ReadBatch
  isDone: boolean
  found: FoundRow | undefined
}

interface ReadBatch {
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (failure: unknown) => void
}

function newBatch(): ReadBatch {
  let resolve: () => void = () => undefined
  let reject: (failure: unknown) => void = () => undefined
  const done = new Promise<void>((onDone, onFailure) => {
    resolve = onDone
    reject = onFailure
  })
  // Whoever waits for it is told; nobody may.
  done.catch(() => undefined)
  return { done, resolve, reject }
}
