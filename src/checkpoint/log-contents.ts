import type { StateStore, StoreChange } from '../connector/state-store.ts'
import { hashKey } from '../stream/key-group.ts'
import {
  directoriesPrefix,
  numberInKey,
  pageKey,
  pagesPrefix,
  put,
  rangeOf,
} from './checkpoint-row.ts'
import { type EntryPage, type EntryRecord, PageBuilder, readPage } from './entry-page.ts'
import { type DirectoryVisitor, tagOf, visitDirectory, visitPage } from './page-directory.ts'
import type { RowTag } from './row-validity.ts'

/** Where the log of an operator lies. */
export interface StoredLog {
  readonly operator: string
  readonly store: StateStore
  /** The folder of the state, for messages. */
  readonly directory: string
}

/** A key with what its operator wrote of it. */
export interface StoredKey {
  /** Canonical, one char a byte. */
  readonly key: string
  readonly content: Buffer
}

/** A page of a log. */
export interface NumberedPage {
  readonly page: number
  readonly content: EntryPage
}

const rowsOfList = 64

/** Keys of a page that `pagesOfEntries` makes. */
const entriesOfPage = 16

/** Pages with keys that have no records yet, from page `first` on. */
export function pagesOfEntries(
  operator: string,
  first: number,
  tag: RowTag,
  entries: readonly StoredKey[],
): StoreChange[] {
  const rest = { ...tag, isTombstone: false, timerAt: Infinity, expiresAt: Infinity }
  const builder = new PageBuilder()
  const changes: StoreChange[] = []
  for (let from = 0; from < entries.length; from += entriesOfPage) {
    builder.begin(tag)
    for (const { key, content } of entries.slice(from, from + entriesOfPage)) {
      const hash = hashKey(Buffer.from(key, 'latin1')) | 0
      builder.add({ ...rest, key, hash, beforePage: -1, beforeSlot: 0 })
      builder.out.raw(content)
    }
    changes.push(put(pageKey(operator, first + changes.length), builder.seal()))
  }
  return changes
}

/** The oldest page that is there; undefined: there is none. */
export async function firstPageOf({ operator, store }: StoredLog): Promise<number | undefined> {
  for await (const rows of store.iterate(rangeOf(pagesPrefix(operator)), 1)) {
    return rows[0] === undefined ? undefined : numberInKey(rows[0].key)
  }
  return undefined
}

/** The pages `from .. to` of a log, in lists. */
export async function* pagesOf(
  { operator, store, directory }: StoredLog,
  from: number,
  to = Infinity,
): AsyncIterable<readonly NumberedPage[]> {
  const { lt: end } = rangeOf(pagesPrefix(operator))
  const lt = to === Infinity ? end : pageKey(operator, to)
  for await (const rows of store.iterate({ gte: pageKey(operator, from), lt }, rowsOfList)) {
    yield rows.map(({ key, value }) => {
      return { page: numberInKey(key), content: readPage(value, directory) }
    })
  }
}

/** Where the lists of a log begin, and where the pages do that none has. */
export interface ListedPages {
  readonly directories: readonly number[]
  readonly unlisted: number
}

/**
 * Tells what the directories of a log say, in the order in which it was written; what stands in the pages
 * behind them is to be told by `visitPage`.
 * @param tail the oldest page that is there
 * @throws {TocsinError} CHECKPOINT_CORRUPT
 */
export async function visitDirectories(
  { operator, store, directory }: StoredLog,
  tail: number,
  visitor: DirectoryVisitor,
  pause: () => Promise<void>,
): Promise<ListedPages> {
  const directories: number[] = []
  let unlisted = tail
  for await (const rows of store.iterate(rangeOf(directoriesPrefix(operator)), 1)) {
    for (const { key, value } of rows) {
      const first = numberInKey(key)
      directories.push(first)
      unlisted = Math.max(unlisted, visitDirectory(first, value, directory, visitor))
    }
    await pause()
  }
  return { directories, unlisted }
}

/**
 * The newest records of the keys of an operator, in lists, as far as they count; tombstones are left
 * out. Of keys whose state has run out some are there.
 * @throws {TocsinError} CHECKPOINT_CORRUPT
 */
export async function* newestRecords(
  log: StoredLog,
  counts: (tag: RowTag) => boolean,
): AsyncIterable<readonly EntryRecord[]> {
  const tail = await firstPageOf(log)
  if (tail === undefined) return
  const newest = new NewestRecords(tail, counts)
  const { unlisted } = await visitDirectories(log, tail, newest, async () => undefined)
  for await (const pages of pagesOf(log, unlisted)) {
    for (const { page, content } of pages) visitPage(page, content, newest)
  }
  for await (const pages of pagesOf(log, tail)) {
    const records: EntryRecord[] = []
    for (const { page, content } of pages) {
      for (let slot = 0; slot < content.count; slot++) {
        if (newest.has(page, slot)) records.push(content.recordAt(slot))
      }
    }
    if (records.length > 0) yield records
  }
}

/** Finds out which records of a log are the newest ones of their keys. */
class NewestRecords implements DirectoryVisitor {
  readonly #tail: number
  readonly #counts: (tag: RowTag) => boolean
  /** By page from the tail on, a byte a slot. */
  readonly #isNewest: Uint8Array[] = []

  constructor(tail: number, counts: (tag: RowTag) => boolean) {
    this.#tail = tail
    this.#counts = counts
  }

  page(page: number, records: number): void {
    if (page >= this.#tail) this.#isNewest[page - this.#tail] = new Uint8Array(records)
  }

  record: DirectoryVisitor['record'] = (page, slot, note, life) => {
    if (page < this.#tail || !this.#counts(tagOf(note, life))) return
    const { beforePage, beforeSlot, isTombstone } = note
    const before = this.#isNewest[beforePage - this.#tail]
    if (before !== undefined) before[beforeSlot] = 0
    const own = this.#isNewest[page - this.#tail]
    if (own !== undefined && !isTombstone) own[slot] = 1
  }

  has(page: number, slot: number): boolean {
    return this.#isNewest[page - this.#tail]?.[slot] === 1
  }
}
