import { ByteReader } from '../state/byte-reader.ts'
import type { EntryFormat } from '../state/entry-format.ts'
import { directoriesPrefix, directoryKey, pageKey, pagesPrefix, put } from './checkpoint-row.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { ColdKeyIndex } from './cold-key-index.ts'
import {
  EntryPage,
  type EntryRecord,
  isOfKey,
  keyOf,
  PageBuilder,
  type RecordHead,
  slotsMax,
} from './entry-page.ts'
import { expiryBucketOf, hasExpired, noExpiry } from './expiry-bucket.ts'
import { firstPageOf, pagesOf, type StoredLog, visitDirectories } from './log-contents.ts'
import { DirectoryBuilder, type DirectoryVisitor, tagOf, visitPage } from './page-directory.ts'
import { PageReads } from './page-reads.ts'
import { PageTable, pagesMax } from './page-table.ts'
import type { RowValidity } from './row-validity.ts'
import type { RowWriter } from './row-writer.ts'
import { neverRecorded, StoredEntry } from './stored-entry.ts'
import { StoredTimers } from './stored-timers.ts'

/** A page is written when it has so many bytes. */
const pageBytes = 4096
/** The same where there are so many pages that their number might not do. */
const longPageBytes = 16 * pageBytes
const longFromPages = pagesMax / 2
/** Pages of a directory. */
const directoryPages = 64

/** A record of a key that is not in memory. */
export interface FoundRecord {
  readonly page: number
  readonly slot: number
  readonly record: EntryRecord
}

/**
 * What an operator's keys have open, on disk: a log of pages (after Rosenblum and Ousterhout's
 * log-structured file system, 1992). What is written of a key goes to the log's end, many keys to a
 * page, and says which record it takes the place of; so what an earlier checkpoint holds stays until it
 * is needed no more. The log is shortened at its beginning only, where all records have lost their place
 * or have run out; what keeps a page there for long is written anew (`coldRecords`).
 *
 * In memory is where the newest record of each key lies (`ColdKeyIndex`), and per page how many of its
 * records count (`PageTable`). After a restart both are made of the directories.
 */
export class EntryLog {
  readonly timers: StoredTimers
  readonly validity: RowValidity
  readonly writer: RowWriter
  readonly #log: StoredLog
  readonly #format: EntryFormat
  readonly #pages = new PageTable()
  readonly #cold = new ColdKeyIndex((address) => this.#pageOf(address) >= this.#pages.head)
  readonly #reads: PageReads
  readonly #builder = new PageBuilder()
  readonly #head: MutableHead = {
    key: '',
    hash: 0,
    checkpoint: 0,
    isTombstone: false,
    timerAt: Infinity,
    expiresAt: Infinity,
    beforePage: -1,
    beforeSlot: 0,
  }
  /** The number of the page that is being made; -1: none is. */
  #open = -1
  readonly #directory = new DirectoryBuilder()
  /** First pages of the directories that are on disk, ascending. */
  readonly #directories: number[] = []
  /** Pages that are on their way to the disk: a read would not find them. */
  readonly #leaving = new Map<number, EntryPage>()
  #isLoaded: boolean
  #loading: Promise<void> | null = null
  readonly #pause: () => Promise<void>

  /**
   * @param operator names it in the store
   * @param isNew whether it has nothing there
   */
  constructor(store: CheckpointStore, operator: string, format: EntryFormat, isNew: boolean) {
    const { rows, writer, validity, directory, pause } = store
    this.validity = validity
    this.writer = writer
    this.#log = { operator, store: rows, directory }
    this.#format = format
    this.#reads = new PageReads(this.#log)
    this.#pause = pause
    this.#isLoaded = isNew
    const { life } = validity
    this.timers = new StoredTimers({ operator, store: rows, writer, life, directory }, isNew)
  }

  /** Gets to know what is on disk; `null`: it is known. Before, nothing may be asked for or written. */
  load(): Promise<void> | null {
    if (this.#isLoaded) return null
    if (this.#loading === null) {
      this.#loading = this.#load()
      // Whoever waits for it is told; nobody may.
      this.#loading.catch(() => undefined)
    }
    return this.#loading
  }

  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** Resolves when nothing is being loaded. */
  async settled(): Promise<void> {
    await this.#loading?.catch(() => undefined)
  }

  /** The number that the next page gets. */
  get head(): number {
    return this.#pages.head
  }

  get tail(): number {
    return this.#pages.tail
  }

  /** How many more records there are than keys that have one. */
  get staleRecords(): number {
    return this.#pages.records - this.#pages.live
  }

  /** Keys that have a record. */
  get liveRecords(): number {
    return this.#pages.live
  }

  /** Keys that are not in memory and have state that has not run out at `watermark`, epoch ms. */
  coldKeys(watermark: number): number {
    return this.#cold.count(
      (expiry, address) =>
        !hasExpired(expiry, watermark) && this.#pageOf(address) < this.#pages.head,
    )
  }

  /**
   * Asks for the records of the keys of a hash.
   * @returns what resolves when they are there, after `sendReads`; `null`: they are
   */
  ask(hash: number, watermark: number): Promise<void> | null {
    let wait: Promise<void> | null = null
    for (let at = this.#cold.first(hash); at !== -1; at = this.#cold.next(at)) {
      if (hasExpired(this.#cold.expiryAt(at), watermark)) continue
      const page = this.#pageOf(this.#cold.addressAt(at))
      if (page === this.#open || page >= this.#pages.head || this.#leaving.has(page)) continue
      wait = this.#reads.ask(page) ?? wait
    }
    return wait
  }

  /** Whether no key that is not in memory has a record. */
  get isEmpty(): boolean {
    return this.#cold.size === 0
  }

  /** Reads ahead what is asked of the keys of these hashes, or noted of them. */
  touch(hashes: Int32Array, from: number, to: number): void {
    this.#cold.touch(hashes, from, to)
  }

  /** Whether a key of this hash may have a record, and not be in memory. */
  mayHave(hash: number): boolean {
    return this.#cold.first(hash) !== -1
  }

  sendReads(): void {
    this.#reads.send()
  }

  /** Forgets what was asked for and has come. */
  forgetReads(): void {
    this.#reads.clear()
  }

  /**
   * The newest record of the key in `text[start .. end)`, which has been asked for and has not run out
   * at `watermark`, epoch ms; undefined: there is none.
   */
  find(
    text: Buffer,
    start: number,
    end: number,
    hash: number,
    watermark: number,
  ): FoundRecord | undefined {
    for (let at = this.#cold.first(hash); at !== -1; at = this.#cold.next(at)) {
      if (hasExpired(this.#cold.expiryAt(at), watermark)) continue
      const address = this.#cold.addressAt(at)
      const page = this.#pageOf(address)
      const slot = address % slotsMax
      const record = this.#recordAt(page, slot)
      if (record !== undefined && isOfKey(record, text, start, end)) return { page, slot, record }
    }
    return undefined
  }

  /** A new entry of what was found, which is no more among the keys that are not in memory. */
  restore({ page, slot, record }: FoundRecord, watermark: number): StoredEntry {
    const entry = new StoredEntry(keyOf(record), record.hash)
    entry.recordPage = page
    entry.recordSlot = slot
    entry.recordExpiry = expiryBucketOf(record.expiresAt)
    this.#cold.remove(record.hash, addressOf(page, slot))
    this.#format.read(entry, new ByteReader(record.bytes, record.keyEnd), watermark)
    this.#format.restored(entry, record.timerAt === Infinity ? undefined : record.timerAt)
    if (record.timerAt !== Infinity) entry.timerStored = true
    return entry
  }

  /** The entry leaves memory: its record is known from now on by its hash. */
  noteCold({ hash, recordPage, recordSlot, recordExpiry }: StoredEntry): void {
    if (recordPage < this.#pages.tail) return
    this.#cold.add(hash, addressOf(recordPage, recordSlot), recordExpiry)
  }

  /** Whether there is a record of the entry on disk that says something at `watermark`, epoch ms. */
  hasRecord({ recordPage, recordExpiry }: StoredEntry, watermark: number): boolean {
    return recordPage >= this.#pages.tail && !hasExpired(recordExpiry, watermark)
  }

  /** Whether there is nothing to be written of an entry when event time has come to its end. */
  isSilentAtEnd(entry: StoredEntry): boolean {
    return !this.hasRecord(entry, Infinity) && this.#format.hasRunOut(entry, Infinity)
  }

  /**
   * Writes what an entry holds, for a checkpoint.
   * @param watermark event time at which what is written holds, at most
   */
  write(entry: StoredEntry, checkpoint: number, watermark: number): void {
    const known = this.#format.isEmpty(entry) ? -Infinity : this.#format.expiryOf(entry)
    // What has run out says as much as nothing.
    const isTombstone = known <= watermark
    if (isTombstone && !this.hasRecord(entry, watermark)) return
    const mayHaveExpired = entry.recordPage < this.#pages.tail && entry.recordPage !== neverRecorded
    if (mayHaveExpired) this.#takeExpired(entry, checkpoint, watermark)
    const expiresAt = isTombstone ? Infinity : known
    const timerAt = isTombstone || expiresAt !== Infinity ? Infinity : entry.timerAt
    const { key } = entry
    const head = this.#headOf(entry, checkpoint, isTombstone)
    head.timerAt = timerAt
    head.expiresAt = expiresAt
    const expiry = expiryBucketOf(expiresAt)
    const slot = this.#append(head, expiry)
    if (!isTombstone) this.#format.write(entry, this.#builder.out)
    entry.recordPage = isTombstone ? -1 : this.#open
    entry.recordSlot = slot
    entry.recordExpiry = expiry
    this.#sealLong()
    if (timerAt === Infinity || entry.timerStored) return
    this.timers.note(timerAt, key)
    entry.timerStored = true
  }

  /** Writes that the record of an entry, which says nothing any more, has lost its place. */
  bury(entry: StoredEntry, checkpoint: number): void {
    this.#append(this.#headOf(entry, checkpoint, true), noExpiry)
    this.#sealLong()
    entry.recordPage = -1
  }

  /** Without times. The same object is filled again and again. */
  #headOf(entry: StoredEntry, checkpoint: number, isTombstone: boolean): MutableHead {
    const head = this.#head
    head.key = entry.key
    head.hash = entry.hash
    head.checkpoint = checkpoint
    head.isTombstone = isTombstone
    head.timerAt = Infinity
    head.expiresAt = Infinity
    head.beforePage = entry.recordPage
    head.beforeSlot = entry.recordSlot
    return head
  }

  /** Hands over what has been written so far. */
  flush(): void {
    this.timers.send()
    this.#seal()
  }

  /**
   * Deletes the pages at the log's beginning that nothing needs.
   * @param watermark event time of the newest complete checkpoint, epoch ms
   */
  shorten(watermark: number): void {
    const { operator } = this.#log
    const before = this.#pages.tail
    const end = this.#open === -1 ? this.#pages.head : this.#open
    if (!this.#pages.moveTail(end, this.validity.committed, watermark)) return
    const { tail } = this.#pages
    this.writer.add({
      kind: 'deleteRange',
      gte: pageKey(operator, before),
      lt: pageKey(operator, tail),
    })
    // One that lists pages behind the tail is needed.
    const [first = tail] = this.#directories
    while ((this.#directories[1] ?? Infinity) <= tail) this.#directories.shift()
    const [left = tail] = this.#directories
    if (left === first) return
    const gte = directoryKey(operator, first)
    this.writer.add({ kind: 'deleteRange', gte, lt: directoryKey(operator, left) })
  }

  /**
   * The records of keys that are not in memory in the pages `from .. to`, in lists. Each is looked up
   * when it is given: it may have come into memory since the one before.
   */
  async *coldRecords(from: number, to: number): AsyncIterable<Iterable<FoundRecord>> {
    await this.writer.drained()
    for await (const pages of pagesOf(this.#log, Math.max(from, this.#pages.tail), to)) {
      for (const { page, content } of pages) yield this.#coldRecordsOf(page, content)
    }
  }

  *#coldRecordsOf(page: number, content: EntryPage): Iterable<FoundRecord> {
    for (let slot = 0; slot < content.count; slot++) {
      const record = content.recordAt(slot)
      if (this.#isCold(record.hash, addressOf(page, slot))) yield { page, slot, record }
    }
  }

  #isCold(hash: number, address: number): boolean {
    if (this.#pageOf(address) >= this.#pages.head) return false
    for (let at = this.#cold.first(hash); at !== -1; at = this.#cold.next(at)) {
      if (this.#cold.addressAt(at) === address) return true
    }
    return false
  }

  async #load(): Promise<void> {
    const tail = (await firstPageOf(this.#log)) ?? (await this.#endOfDirectories())
    this.#pages.startAt(tail)
    const visitor = {
      page: (page: number) => {
        if (page === this.#pages.head) this.#pages.add()
      },
      record: this.#visit,
    }
    const { directories, unlisted } = await visitDirectories(this.#log, tail, visitor, this.#pause)
    this.#directories.push(...directories)
    // The pages that no directory has come into the next one.
    this.#directory.begin(unlisted)
    const record: DirectoryVisitor['record'] = (page, slot, note, life) => {
      this.#visit(page, slot, note, life)
      this.#directory.add(note, note.expiry)
    }
    for await (const pages of pagesOf(this.#log, unlisted)) {
      for (const { page, content } of pages) {
        visitPage(page, content, { ...visitor, record })
        this.#endPage(content.life)
      }
      await this.#pause()
    }
    this.#isLoaded = true
  }

  /** Where the log went on when all its pages were deleted: directories may be there still. */
  async #endOfDirectories(): Promise<number> {
    const nothing = { page: () => undefined, record: () => undefined }
    return (await visitDirectories(this.#log, 0, nothing, this.#pause)).unlisted
  }

  readonly #visit: DirectoryVisitor['record'] = (page, slot, note, life) => {
    if (page < this.#pages.tail) return
    const { hash, isTombstone, beforePage, beforeSlot, expiry } = note
    const counts = this.validity.isValid(tagOf(note, life))
    this.#pages.addRecord(page, counts && !isTombstone ? expiry : null)
    if (!counts) return
    if (beforePage >= this.#pages.tail) {
      this.#pages.retire(beforePage, 0)
      this.#cold.remove(hash, addressOf(beforePage, beforeSlot))
    }
    if (!isTombstone) this.#cold.add(hash, addressOf(page, slot), expiry)
  }

  /**
   * A key that has no record may have had one that has run out: that loses its place now, or it might
   * be taken for the newest one when this one is gone.
   */
  #takeExpired(entry: StoredEntry, checkpoint: number, watermark: number): void {
    const { hash } = entry
    entry.recordPage = -1
    for (let at = this.#cold.first(hash); at !== -1; ) {
      const address = this.#cold.addressAt(at)
      const page = this.#pageOf(address)
      const isThere = page < this.#pages.head
      if (isThere && !hasExpired(this.#cold.expiryAt(at), watermark)) {
        at = this.#cold.next(at)
        continue
      }
      // Another key's of the same hash says nothing either.
      if (isThere && entry.recordPage !== -1) this.bury(entry, checkpoint)
      entry.recordPage = isThere ? page : entry.recordPage
      entry.recordSlot = isThere ? address % slotsMax : entry.recordSlot
      this.#cold.remove(hash, address)
      at = this.#cold.first(hash)
    }
  }

  #append(head: RecordHead, expiry: number): number {
    if (this.#open !== -1 && !this.#builder.takes(head.checkpoint)) this.#seal()
    if (this.#open === -1) this.#begin(head.checkpoint)
    const { checkpoint, isTombstone, beforePage } = head
    this.#directory.add(head, expiry)
    this.#pages.addRecord(this.#open, isTombstone ? null : expiry)
    if (beforePage >= 0) this.#pages.retire(beforePage, checkpoint)
    return this.#builder.add(head)
  }

  #begin(checkpoint: number): void {
    this.#open = this.#pages.add()
    if (this.#directory.pageCount === 0) this.#directory.begin(this.#open)
    // While one checkpoint is written the next one's records stand among its own.
    const first = Math.min(checkpoint, this.validity.committed + 1)
    this.#builder.begin({ life: this.validity.life, checkpoint: first })
  }

  #sealLong(): void {
    const isLong = this.#pages.head - this.#pages.tail > longFromPages
    if (this.#builder.length >= (isLong ? longPageBytes : pageBytes)) this.#seal()
  }

  #seal(): void {
    if (this.#open === -1) return
    const page = this.#open
    this.#open = -1
    const bytes = this.#builder.seal()
    this.#leaving.set(page, new EntryPage(bytes))
    this.writer.add(put(pageKey(this.#log.operator, page), bytes), {
      notifyWritten: () => this.#leaving.delete(page),
    })
    this.#endPage(this.validity.life)
  }

  #endPage(life: number): void {
    this.#directory.endPage(life)
    if (this.#directory.pageCount < directoryPages) return
    const { firstPage } = this.#directory
    this.#directories.push(firstPage)
    const key = directoryKey(this.#log.operator, firstPage)
    this.writer.add(put(key, this.#directory.seal()))
    this.#directory.begin(firstPage + directoryPages)
  }

  #recordAt(page: number, slot: number): EntryRecord | undefined {
    if (page === this.#open) return this.#builder.recordAt(slot)
    return (this.#leaving.get(page) ?? this.#reads.get(page))?.recordAt(slot)
  }

  /** The page of an address: one from the head on is gone. */
  #pageOf(address: number): number {
    const { tail } = this.#pages
    const page = Math.floor(address / slotsMax)
    return tail + ((page - (tail % pagesMax) + pagesMax) % pagesMax)
  }
}

type MutableHead = { -readonly [Field in keyof RecordHead]: RecordHead[Field] }

/** Page and slot in 31 bits. */
function addressOf(page: number, slot: number): number {
  return (page % pagesMax) * slotsMax + slot
}

/** Begin the keys of all that a log has. */
export function logPrefixes(operator: string): readonly Buffer[] {
  return [pagesPrefix(operator), directoriesPrefix(operator)]
}
