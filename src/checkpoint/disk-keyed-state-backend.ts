import { assert } from '../errors.ts'
import type { EntryFormat } from '../state/entry-format.ts'
import { HeapKeyedStateBackend } from '../state/heap-keyed-state-backend.ts'
import type { KeyBatch, KeyEntry, KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { hashKey } from '../stream/key-group.ts'
import { AskedKeys } from './asked-keys.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { EntryLog, type FoundRecord } from './entry-log.ts'
import { EvictionQueue } from './eviction-queue.ts'
import { FrozenEntries } from './frozen-entries.ts'
import type { StateCache } from './state-cache.ts'
import { neverRecorded, StoredEntry } from './stored-entry.ts'
import type { StoredTimers } from './stored-timers.ts'

/** What an entry costs with its key, its place in the table and its timer, roughly, bytes. */
const entryBytes = 280
/** Entries that are looked at, whether they may leave, at once. */
const looksOfTrim = 4096
/** The same while something is waited for, which takes about as long. */
const looksOfTrimAhead = 512
/** Places of entries that are looked at beside the stream in one turn. */
const placesOfSlice = 4096
/** Entries that leave memory together. */
const entriesOfTrim = 32
/** Timers of cold keys that are seen to at once. */
const dueKeysMax = 512
/** Records of a log may be stale, as many as keys have one and so many more. */
const staleRecordsMin = 8192
/** Pages that are emptied after a checkpoint at least. */
const emptiedPagesMin = 64

/**
 * Keyed state that may be larger than memory: hot entries on the heap, cold ones in a log on disk. What is changed is written for the next checkpoint: at the barrier, in slices, or
 * when it leaves memory before. Looking up waits for nothing: who is about to look up keys says so
 * (`ask`), and waits for what that gives.
 *
 * Which entries leave memory is told by `EvictionQueue`.
 */
export class DiskKeyedStateBackend implements KeyedStateBackend {
  readonly tracksChanges = true
  readonly #heap = new HeapKeyedStateBackend()
  readonly #cache: StateCache
  #format: EntryFormat | null = null
  #log: EntryLog | null = null
  readonly #asked = new AskedKeys()
  #changes: StoredEntry[] = []
  /** The checkpoint for which changes are written now. */
  #checkpoint = 1
  #frozen: FrozenEntries | null = null
  readonly #queue = new EvictionQueue()
  /** Places to work in. */
  readonly #leaving: StoredEntry[] = []
  readonly #leavingHashes = new Int32Array(entriesOfTrim)
  #due: DueKey[] = []
  #watermark = -Infinity
  /** That of the newest complete checkpoint. */
  #committedWatermark = -Infinity
  /** Pages before this one were emptied: what counts of them is written with the next checkpoint. */
  #emptiedTo = 0
  /** The log's head when that was last done, or when the first checkpoint was complete; -1: none was. */
  #emptiedAt = -1
  #emptying: Promise<void> | null = null
  #wantsLoad = false
  #pause = (): Promise<void> => Promise.resolve()

  constructor(cache: StateCache) {
    this.#cache = cache
    cache.add(() => this.usedBytes)
  }

  /** To be called once, by the operator. */
  useFormat(format: EntryFormat): void {
    this.#format = format
  }

  /** To be called once, before the first key comes. @param operator names it in the store */
  open(store: CheckpointStore, operator: string): void {
    const isNew = !store.hasOperator(operator)
    this.#log = new EntryLog(store, operator, this.#format as EntryFormat, isNew)
    this.#checkpoint = store.nextCheckpoint
    this.#pause = store.pause
  }

  /** Whether `open` has been called. */
  get isOpen(): boolean {
    return this.#log !== null
  }

  /** Has all keys read and written again, as their records do not have the times that are needed. */
  wantLoad(): void {
    this.#wantsLoad = true
  }

  /** Does that, where it is wanted; `null`: it is not. */
  loadWanted(): Promise<void> | null {
    if (!this.#wantsLoad || this.#log === null) return null
    this.#wantsLoad = false
    return this.#load(this.#log)
  }

  async #load(log: EntryLog): Promise<void> {
    await log.load()
    for (const entry of this.#heap.entries()) this.#rewrite(entry)
    log.flush()
    for await (const records of log.coldRecords(log.tail, log.head)) {
      for (const found of records) this.#rewrite(this.#restore(found))
      while (this.#cache.isOver && this.trim()) await log.writer.drained()
      await this.#pause()
    }
  }

  #rewrite(entry: KeyEntry): void {
    if (this.#format?.isEmpty(entry)) return
    this.beforeChange(entry)
    entry.timerStored = false
    this.markChanged(entry)
  }

  /** Event time up to which the operator has worked, epoch ms. */
  get watermark(): number {
    return this.#watermark
  }

  /** All events and timers up to `watermark` have been seen to: lookups are done. */
  advanceWatermark(watermark: number): void {
    this.#watermark = watermark
    this.#log?.forgetReads()
    this.#asked.clear()
  }

  /** Goes on at the event time of a checkpoint. */
  restoreWatermark(watermark: number): void {
    this.#watermark = watermark
    this.#committedWatermark = watermark
  }

  /** Keys that have changed since the last checkpoint, roughly. */
  get changes(): number {
    return this.#changes.length
  }

  /** Entries in memory. */
  get size(): number {
    return this.#heap.size
  }

  /** What the entries in memory cost, roughly. */
  get usedBytes(): number {
    return this.#heap.size * entryBytes + (this.#format?.heldBytes() ?? 0)
  }

  /**
   * Keys that are not in memory and have state; those whose state has run out do not count. After a
   * restart they are not known at once.
   */
  get coldKeys(): number {
    return this.#log?.coldKeys(this.watermark) ?? 0
  }

  find(arena: Buffer, start: number, end: number, hash: number): KeyEntry | undefined {
    const entry = this.#heap.find(arena, start, end, hash)
    if (entry !== undefined) {
      entry.referenced = true
      return entry
    }
    return this.#asked.hasNoRecord(hash) ? undefined : this.#findCold(arena, start, end, hash)
  }

  #findCold(arena: Buffer, start: number, end: number, hash: number): KeyEntry | undefined {
    const found = this.#log?.find(arena, start, end, hash, this.#watermark)
    return found === undefined ? undefined : this.#restore(found)
  }

  findAll(keys: KeyBatch, from: number, to: number, entries: (KeyEntry | undefined)[]): void {
    this.#heap.findAll(keys, from, to, entries)
    // A key that comes twice is brought in once.
    const sizeBefore = this.#heap.size
    const hasCold = this.#log?.isEmpty === false
    const { arenas, keyStarts, keyEnds, hashes } = keys
    for (let index = from; index < to; index++) {
      const entry = entries[index - from]
      if (entry !== undefined) entry.referenced = true
      else if (hasCold) {
        const start = keyStarts[index] as number
        const hash = hashes[index] as number
        if (this.#asked.hasNoRecord(hash)) continue
        const end = keyEnds[index] as number
        const arena = arenas[index] as Buffer
        entries[index - from] =
          this.#heap.size === sizeBefore
            ? this.#findCold(arena, start, end, hash)
            : this.find(arena, start, end, hash)
      }
    }
  }

  touchPlaces(entries: readonly (KeyEntry | undefined)[], count: number): void {
    this.#heap.touchPlaces(entries, count)
  }

  findOrCreate(arena: Buffer, start: number, end: number, hash: number): KeyEntry {
    return this.find(arena, start, end, hash) ?? this.create(arena, start, end, hash)
  }

  create(arena: Buffer, start: number, end: number, hash: number): KeyEntry {
    const entry = new StoredEntry(arena.toString('latin1', start, end), hash)
    if (this.#asked.hasNoRecord(hash)) entry.recordPage = neverRecorded
    this.#insert(entry, arena, start, end)
    return entry
  }

  #insert(entry: StoredEntry, arena: Buffer, start: number, end: number): void {
    this.#heap.insert(entry, arena, start, end)
    this.#queue.add(entry, this.#heap.size)
  }

  /** An entry of which there is a record stays until that is written. */
  remove(known: KeyEntry): void {
    const entry = known as StoredEntry
    if (entry.frozen) return
    if (this.#log?.hasRecord(entry, this.#watermark)) this.markChanged(entry)
    else this.#leave(entry)
  }

  entries(): Iterable<KeyEntry> {
    return this.#heap.entries()
  }

  beforeChange(entry: KeyEntry): void {
    if (entry.frozen) this.#thaw(entry as StoredEntry)
  }

  markChanged(entry: KeyEntry): void {
    if (entry.changed) return
    entry.changed = true
    // Those that have left memory since are still in the list.
    if (this.#changes.length > 2 * this.#heap.size + 1024) {
      this.#changes = this.#changes.filter(({ changed }) => changed)
    }
    this.#changes.push(entry as StoredEntry)
  }

  /**
   * Fetches what `find` and `create` may be asked for: the keys `from .. to`. With another batch, or
   * `advanceWatermark`, those before are no more looked up.
   * @returns what to wait for before it is called again; `null`: all can be looked up in this turn
   */
  ask(keys: KeyBatch, from: number, to: number): Promise<void> | null {
    const { arenas, keyStarts, keyEnds, hashes } = keys
    const log = this.#log
    if (log === null) return null
    const loading = log.load()
    if (loading !== null) return loading
    if (log.isEmpty) return null
    const asked = this.#asked
    asked.beginBatch(keys)
    const isKnown = asked.includes(to)
    if (!isKnown) log.touch(hashes, from, to)
    let waits: Promise<void>[] | null = null
    for (let index = from; index < to; index++) {
      const hash = hashes[index] as number
      // Most keys that are not in memory have nothing at all.
      if (!(isKnown ? asked.mayBeCold(hash) : log.mayHave(hash))) continue
      asked.noteCold(hash)
      const arena = arenas[index] as Buffer
      const start = keyStarts[index] as number
      const end = keyEnds[index] as number
      if (this.#heap.find(arena, start, end, hash) !== undefined) continue
      const wait = log.ask(hash, this.#watermark)
      if (wait === null || wait === waits?.at(-1)) continue
      waits ??= []
      waits.push(wait)
    }
    asked.add(from, to)
    log.sendReads()
    return waits === null ? null : Promise.all(waits).then(() => undefined)
  }

  /**
   * Fetches keys whose timers are due at `watermark`, some of them.
   * @returns what to wait for before it is called again; `null`: `bringInDue` may be called
   */
  askDue(watermark: number): Promise<void> | null {
    const log = this.#log
    if (log === null) return null
    const loading = log.load()
    if (loading !== null) return loading
    if (this.#due.length === 0) {
      const timers = log.timers.load(watermark)
      if (timers !== null) return timers
      this.#pollDue(log.timers, watermark)
    }
    const waits = this.#due.flatMap(({ hash }) => log.ask(hash, this.#watermark) ?? [])
    log.sendReads()
    return waits.length === 0 ? null : Promise.all(new Set(waits)).then(() => undefined)
  }

  /** Brings in what `askDue` has fetched; gives the number of keys. */
  bringInDue(): number {
    const due = this.#due
    this.#due = []
    for (const { key, hash } of due) {
      const bytes = Buffer.from(key, 'latin1')
      if (this.#heap.find(bytes, 0, bytes.length, hash) !== undefined) continue
      this.#findCold(bytes, 0, bytes.length, hash)
    }
    // Where many are due they would gather.
    if (due.length > 0) this.#log?.forgetReads()
    return due.length
  }

  /** Whether changes are written too slowly: wait for `caughtUp` before the next events. */
  get isBehind(): boolean {
    return this.#log?.writer.isFull === true
  }

  /** @throws {unknown} what writing failed with for good */
  async caughtUp(): Promise<void> {
    await this.#log?.writer.nextWritten()
  }

  /**
   * Lets cold entries leave memory while there are more than may be. No key may be at hand.
   * @returns whether some have left
   */
  trim(): boolean {
    if (this.#log === null || !this.#cache.isOver) return false
    const { size } = this.#heap
    this.#sweep(this.#log, looksOfTrim, () => this.#cache.isOver)
    return this.#heap.size < size
  }

  /** The same before it must be, some entries only: for who has to wait for something else. */
  async trimAhead(): Promise<void> {
    if (this.#log === null || !this.#cache.isNearlyFull) return
    // What is waited for is begun when nothing else is to be done.
    await this.#pause()
    this.#sweep(this.#log, looksOfTrimAhead, () => this.#cache.isNearlyFull)
  }

  /** Looks at so many entries, while more are to leave. */
  #sweep(log: EntryLog, looks: number, isGoingOn: () => boolean): void {
    const leaving = this.#leaving
    const hashes = this.#leavingHashes
    for (let left = looks; left > 0 && this.#queue.count > 0; ) {
      const { count, looked } = this.#queue.take(leaving, entriesOfTrim, left)
      left -= looked
      // What an entry holds lies anywhere in memory: read together, the waits for it overlap.
      this.#format?.touch(leaving, count)
      this.#heap.touchPlaces(leaving, count)
      for (let index = 0; index < count; index++)
        hashes[index] = (leaving[index] as StoredEntry).hash
      log.touch(hashes, 0, count)
      for (let index = 0; index < count; index++) this.#evict(leaving[index] as StoredEntry, log)
      if (!isGoingOn()) return
    }
  }

  /** The entries that have changed since the last call, to be written for a checkpoint. */
  freeze(): FrozenEntries {
    assert(this.#frozen === null || this.#frozen.isWritten, 'one checkpoint is written at a time')
    const log = this.#log as EntryLog
    const entries: StoredEntry[] = []
    for (const entry of this.#changes) {
      if (!entry.changed) continue
      entry.changed = false
      // At the end of the input most has run out; nobody waits for a look at each then.
      if (this.#watermark === Infinity && log.isSilentAtEnd(entry)) continue
      entry.frozen = true
      entries.push(entry)
    }
    this.#changes = []
    const thaw = (entry: StoredEntry) => {
      this.#thaw(entry)
      if (this.#format?.isEmpty(entry) && !entry.changed) this.#leave(entry)
    }
    this.#frozen = new FrozenEntries(this.#checkpoint++, this.watermark, entries, thaw, log)
    return this.#frozen
  }

  /** The checkpoint for which entries were frozen last is complete. */
  notifyCheckpointComplete(): void {
    const log = this.#log
    if (this.#frozen === null || log?.isLoaded !== true) return
    this.#committedWatermark = this.#frozen.watermark
    if (Number.isFinite(this.#committedWatermark)) log.timers.forget(this.#committedWatermark)
    log.shorten(this.#committedWatermark)
    if (this.#emptiedAt === -1) this.#emptiedAt = log.head
    const isMostlyStale = log.staleRecords > log.liveRecords + staleRecordsMin
    if (isMostlyStale && this.#emptying === null) this.#emptying = this.#emptyPages(log)
  }

  /** Resolves when it is known which keys are on disk. */
  async loaded(): Promise<void> {
    await this.#log?.load()
  }

  /** Ends what is under way beside the stream. */
  async close(): Promise<void> {
    await this.#log?.settled()
    await this.#emptying
    await this.#log?.writer.drained().catch(() => undefined)
  }

  /**
   * Has what counts of the log's oldest pages written anew with the next checkpoint: so they can be
   * deleted after it. Twice as many as were written since: half of what they hold counts, at most.
   */
  async #emptyPages(log: EntryLog): Promise<void> {
    const from = Math.max(log.tail, this.#emptiedTo)
    const end = Math.min(log.head, from + emptiedPagesMin + 2 * (log.head - this.#emptiedAt))
    this.#emptiedAt = log.head
    let to = from
    try {
      for await (const records of log.coldRecords(from, end)) {
        for (const found of records) this.#moveOn(this.#restore(found), log)
        to++
        // The stream lets entries leave, as it knows which are at hand.
        if (to - from >= emptiedPagesMin && this.#cache.isFarOver) break
        await log.writer.share()
      }
      for (let place = 0; place < this.#heap.places; place++) {
        const entry = this.#heap.entryAt(place) as StoredEntry | undefined
        const isThere = entry !== undefined && entry.recordPage >= from && entry.recordPage < to
        if (isThere && !entry.frozen) this.#moveOn(entry, log)
        if (place % placesOfSlice === placesOfSlice - 1) await this.#pause()
      }
      this.#emptiedTo = to
    } catch (failure) {
      log.writer.fail(failure)
    }
    this.#emptying = null
  }

  #pollDue(timers: StoredTimers, watermark: number): void {
    while (this.#due.length < dueKeysMax) {
      const key = timers.poll(watermark)
      if (key === undefined) return
      const bytes = Buffer.from(key, 'latin1')
      const hash = hashKey(bytes) | 0
      // An entry in memory has its timer there.
      if (this.#heap.find(bytes, 0, bytes.length, hash) !== undefined) continue
      this.#due.push({ key, hash })
    }
  }

  /** Has an entry's record written anew, or what says that there is none. */
  #moveOn(entry: StoredEntry, log: EntryLog): void {
    if (log.hasRecord(entry, this.#watermark)) this.markChanged(entry)
    else {
      log.bury(entry, this.#checkpoint)
      if (this.#format?.isEmpty(entry)) this.#leave(entry)
    }
  }

  #restore(found: FoundRecord): StoredEntry {
    const entry = (this.#log as EntryLog).restore(found, this.#watermark)
    const { bytes, keyStart, keyEnd } = found.record
    this.#insert(entry, bytes, keyStart, keyEnd)
    return entry
  }

  /** Writes an entry as it was at the barrier. */
  #thaw(entry: StoredEntry): void {
    const { checkpoint, watermark } = this.#frozen as FrozenEntries
    entry.frozen = false
    this.#log?.write(entry, checkpoint, watermark)
  }

  #evict(entry: StoredEntry, log: EntryLog): void {
    if (entry.frozen) this.#thaw(entry)
    if (entry.changed) log.write(entry, this.#checkpoint, this.#watermark)
    if (entry.timerStored) log.timers.left(entry.timerAt, entry.key)
    this.#leave(entry)
  }

  /** The entry leaves memory; what there is to know of it is on disk. */
  #leave(entry: StoredEntry): void {
    entry.changed = false
    this.#log?.noteCold(entry)
    this.#asked.noteCold(entry.hash)
    this.#format?.free(entry)
    this.#heap.remove(entry)
  }
}

interface DueKey {
  readonly key: string
  readonly hash: number
}
