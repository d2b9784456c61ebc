import type { StateStore } from '../connector/state-store.ts'
import { pageKey } from './checkpoint-row.ts'
import { type EntryPage, readPage } from './entry-page.ts'

/** Pages that are asked for at once: each read that is handed over costs, however small it is. */
const pagesOfRead = 128

export interface PageReadsOptions {
  readonly operator: string
  readonly store: StateStore
  /** The folder of the state, for messages. */
  readonly directory: string
}

/**
 * Pages that have been asked for, until they are forgotten. Several reads are under way at once,
 * beside the stream.
 */
export class PageReads {
  readonly #options: PageReadsOptions
  readonly #reads = new Map<number, PageRead>()
  #asked: PageRead[] = []

  constructor(options: PageReadsOptions) {
    this.#options = options
  }

  /**
   * Asks for a page, if that has not been done.
   * @returns what resolves when it is there, after `send`; `null`: it is
   */
  ask(page: number): Promise<void> | null {
    const known = this.#reads.get(page)
    if (known !== undefined) return known.isDone ? null : known.batch.done
    if (this.#asked.length >= pagesOfRead) this.send()
    const batch = this.#asked[0]?.batch ?? newBatch()
    const read = { page, batch, isDone: false, content: null }
    this.#reads.set(page, read)
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

  /** A page that has come; `null`: it has not, or it is not there. */
  get(page: number): EntryPage | null {
    return this.#reads.get(page)?.content ?? null
  }

  /** Forgets the pages that have come. */
  clear(): void {
    for (const [page, { isDone }] of this.#reads) if (isDone) this.#reads.delete(page)
  }

  async #read(reads: readonly PageRead[]): Promise<void> {
    const { operator, store, directory } = this.#options
    const rows = await store.getMany(reads.map(({ page }) => pageKey(operator, page)))
    for (const [index, read] of reads.entries()) {
      const bytes = rows[index]
      if (bytes !== undefined) read.content = readPage(bytes, directory)
      read.isDone = true
    }
  }
}

interface PageRead {
  readonly page: number
  readonly batch: ReadBatch
  isDone: boolean
  content: EntryPage | null
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
