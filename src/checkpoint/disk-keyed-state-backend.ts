import { assert } from '../errors.ts'
import { ByteReader } from '../state/byte-reader.ts'
import type { EntryFormat } from '../state/entry-format.ts'
import { HeapKeyedStateBackend } from '../state/heap-keyed-state-backend.ts'
import type { KeyBatch, KeyEntry, KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { hashKey } from '../stream/key-group.ts'
import type { KeyText } from './checkpoint-row.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { ColdKeys } from './cold-keys.ts'
import type { FoundRow } from './entry-reads.ts'
import { expiryBucketOf, hasExpired, StoredEntry } from './entry-row.ts'
import { EntryRows, saysNothing } from './entry-rows.ts'
import { FrozenEntries } from './frozen-entries.ts'
import { type GroupRows, keysOf } from './group-rows.ts'
import type { StateCache } from './state-cache.ts'
import type { StoredTimers } from './stored-timers.ts'

/** What an entry costs with its key, its place in the table and its timer, roughly, bytes. */
const entryBytes = 280
/** Places that are looked at for cold entries at once. */
const placesOfTrim = 4096
/** Timers of cold keys that are seen to at once. */
const dueKeysMax = 512

/**
 * Keyed state that may be larger than memory: hot entries on the heap, cold ones in the rows of a
 * checkpoint store. What is changed is written for the next checkpoint: at the barrier, in slices, or
 * when it leaves memory before. Looking up waits for nothing: who is about to look up keys says so
 * (`ask`), and waits for what that gives.
 *
 * Which entries leave is told by a clock hand over the heap's table: one that has been looked up
 * since the hand last passed stays for another round (second chance).
 */
export class DiskKeyedStateBackend implements KeyedStateBackend {
  readonly tracksChanges = true
  readonly #heap = new HeapKeyedStateBackend()
  readonly #cache: StateCache
  readonly #cold = new ColdKeys()
  #format: EntryFormat | null = null
  #rows: EntryRows | null = null
  #changes: StoredEntry[] = []
  /** The checkpoint for which changes are written now. */
  #checkpoint = 1
  #frozen: FrozenEntries | null = null
  /** Entries whose deletion was written for a checkpoint. */
  #deleted: StoredEntry[] = []
  #hand = 0
  #due: DueKey[] = []
  #watermark = -Infinity
  /** That of the newest complete checkpoint. */
  #committedWatermark = -Infinity
  #forgetting: Promise<void> | null = null
  #scanning: Promise<void> | null = null
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
    this.#rows = new EntryRows(store, operator, this.#format as EntryFormat, isNew)
    this.#checkpoint = store.nextCheckpoint
    this.#pause = store.pause
    if (isNew) this.#cold.startEmpty()
    else this.#scanning = this.#scan(this.#rows, store)
  }

  /** Whether `open` has been called. */
  get isOpen(): boolean {
    return this.#rows !== null
  }

  /** Has all keys read and written again, as their rows do not have the times that are needed. */
  wantLoad(): void {
    this.#wantsLoad = true
  }

  /** Does that, where it is wanted; `null`: it is not. */
  loadWanted(): Promise<void> | null {
    if (!this.#wantsLoad || this.#rows === null) return null
    this.#wantsLoad = false
    return this.#load(this.#rows)
  }

  async #load(rows: EntryRows): Promise<void> {
    await this.#scanning
    for (let next = 0; ; ) {
      await rows.writer.drained()
      const group = await rows.groupFrom(next, this.#pause)
      if (group === undefined) return
      this.#loadGroup(rows, group)
      while (this.#cache.isOver && this.trim()) await rows.writer.drained()
      next = group.keyGroup + 1
    }
  }

  #loadGroup(rows: EntryRows, group: GroupRows): void {
    for (const key of keysOf(group)) {
      const bytes = Buffer.from(key, 'latin1')
      const hash = hashKey(bytes) | 0
      const known = this.#heap.find(bytes, 0, bytes.length, hash)
      const found = known === undefined ? rows.newestOf(key, group) : undefined
      const entry = known ?? (found === undefined ? undefined : this.#restore(key, hash, found))
      if (entry === undefined || this.#format?.isEmpty(entry)) continue
      this.beforeChange(entry)
      entry.timerStored = false
      this.markChanged(entry)
    }
  }

  /** Event time up to which the operator has worked, epoch ms. */
  get watermark(): number {
    return this.#watermark
  }

  /** All events and timers up to `watermark` have been seen to: lookups are done. */
  advanceWatermark(watermark: number): void {
    this.#watermark = watermark
    this.#rows?.forgetReads()
  }

  /** Goes on at the event time of a checkpoint. */
  restoreWatermark(watermark: number): void {
    this.#watermark = watermark
    this.#committedWatermark = watermark
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
    return this.#cold.count(this.watermark)
  }

  find(arena: Buffer, start: number, end: number, hash: number): KeyEntry | undefined {
    const entry = this.#heap.find(arena, start, end, hash)
    if (entry !== undefined) {
      entry.referenced = true
      return entry
    }
    return this.#findCold(arena, start, end, hash)
  }

  #findCold(arena: Buffer, start: number, end: number, hash: number): KeyEntry | undefined {
    if (this.#rows === null || this.#rows.isQuiet) return undefined
    // Most keys that are not in memory have nothing at all.
    if (this.#cold.sidesOf(hash) === 0) return undefined
    const key = arena.toString('latin1', start, end)
    const found = this.#rows.take(key)
    return found === undefined ? undefined : this.#restore(key, hash, found)
  }

  findAll(keys: KeyBatch, from: number, to: number, entries: (KeyEntry | undefined)[]): void {
    this.#heap.findAll(keys, from, to, entries)
    // A key that comes twice is brought in once.
    const sizeBefore = this.#heap.size
    const { arenas, keyStarts, keyEnds, hashes } = keys
    for (let index = from; index < to; index++) {
      const entry = entries[index - from]
      if (entry !== undefined) entry.referenced = true
      else {
        const start = keyStarts[index] as number
        const end = keyEnds[index] as number
        const hash = hashes[index] as number
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
    entry.referenced = true
    // What had run out may have been asked for before it was deleted.
    this.#rows?.forgetRead(entry.key)
    this.#heap.insert(entry, arena, start, end)
    return entry
  }

  /** An entry of which there is a row stays until that says nothing either. */
  remove(known: KeyEntry): void {
    const entry = known as StoredEntry
    if (entry.rowCheckpoint === 0) this.#drop(entry)
    else if (!entry.frozen && !saysNothing(entry, this.watermark)) this.markChanged(entry)
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
   * Fetches what `find` may be asked for: the keys `from .. to`.
   * @returns what to wait for before it is called again; `null`: all can be looked up in this turn
   */
  ask(keys: KeyBatch, from: number, to: number): Promise<void> | null {
    const { arenas, keyStarts, keyEnds, hashes } = keys
    if (this.#rows === null) return null
    let waits: Promise<void>[] | null = null
    for (let index = from; index < to; index++) {
      const hash = hashes[index] as number
      const sides = this.#cold.sidesOf(hash)
      if (sides === 0) continue
      const arena = arenas[index] as Buffer
      const start = keyStarts[index] as number
      const end = keyEnds[index] as number
      if (this.#heap.find(arena, start, end, hash) !== undefined) continue
      const wait = this.#rows.ask(arena.toString('latin1', start, end), hash, sides)
      if (wait === null || wait === waits?.at(-1)) continue
      waits ??= []
      waits.push(wait)
    }
    this.#rows.sendReads()
    return waits === null ? null : Promise.all(waits).then(() => undefined)
  }

  /**
   * Fetches keys whose timers are due at `watermark`, some of them.
   * @returns what to wait for before it is called again; `null`: `bringInDue` may be called
   */
  askDue(watermark: number): Promise<void> | null {
    const rows = this.#rows
    if (rows === null) return null
    if (this.#due.length === 0) {
      const loading = rows.timers.load(watermark)
      if (loading !== null) return loading
      this.#pollDue(rows.timers, watermark)
    }
    const waits = this.#due.flatMap(
      ({ key, hash }) => rows.ask(key, hash, this.#cold.sidesOf(hash)) ?? [],
    )
    rows.sendReads()
    return waits.length === 0 ? null : Promise.all(new Set(waits)).then(() => undefined)
  }

  /** Brings in what `askDue` has fetched; gives the number of keys. */
  bringInDue(): number {
    const due = this.#due
    this.#due = []
    for (const { key, hash } of due) {
      const bytes = Buffer.from(key, 'latin1')
      this.find(bytes, 0, bytes.length, hash)
    }
    return due.length
  }

  /** Whether changes are written too slowly: wait for `caughtUp` before the next events. */
  get isBehind(): boolean {
    return this.#rows?.writer.isFull === true
  }

  /** @throws {unknown} what writing failed with for good */
  async caughtUp(): Promise<void> {
    await this.#rows?.writer.nextWritten()
  }

  /**
   * Lets cold entries leave memory while there are more than may be. No key may be at hand.
   * @returns whether some have left
   */
  trim(): boolean {
    if (this.#rows === null || !this.#cache.isOver) return false
    const { places, size } = this.#heap
    for (let looked = 0; looked < placesOfTrim; looked++) {
      this.#hand = this.#hand + 1 < places ? this.#hand + 1 : 0
      const entry = this.#heap.entryAt(this.#hand) as StoredEntry | undefined
      if (entry === undefined) continue
      if (entry.referenced) entry.referenced = false
      // What comes after it moves into its place.
      else if (this.#evict(entry)) this.#hand--
      if ((looked & 63) === 63 && !this.#cache.isOver) break
    }
    return this.#heap.size < size
  }

  /** The entries that have changed since the last call, to be written for a checkpoint. */
  freeze(): FrozenEntries {
    assert(this.#frozen === null || this.#frozen.isWritten, 'one checkpoint is written at a time')
    const entries = this.#changes.filter(({ changed }) => changed)
    for (const entry of entries) {
      entry.changed = false
      entry.frozen = true
    }
    this.#changes = []
    const thaw = (entry: StoredEntry) => this.#thaw(entry)
    const rows = this.#rows as EntryRows
    this.#frozen = new FrozenEntries(this.#checkpoint++, this.watermark, entries, thaw, rows)
    return this.#frozen
  }

  /** The checkpoint for which entries were frozen last is complete. */
  notifyCheckpointComplete(): void {
    const rows = this.#rows
    if (this.#frozen === null || rows === null) return
    this.#committedWatermark = this.#frozen.watermark
    const { committed } = rows.validity
    const deleted = this.#deleted
    this.#deleted = []
    for (const entry of deleted) {
      const isStill = entry.isTombstone && !entry.changed && !entry.frozen && !entry.removed
      if (entry.rowCheckpoint > committed) this.#deleted.push(entry)
      else if (isStill) {
        rows.deleteOf(entry)
        this.#drop(entry)
      }
    }
    this.#forgetExpired(rows)
  }

  /** Resolves when it is known which keys are on disk. */
  async scanned(): Promise<void> {
    await this.#scanning
  }

  /** Ends what is under way beside the stream. */
  async close(): Promise<void> {
    this.#cold.stop()
    await this.#scanning
    await this.#forgetting
    await this.#rows?.writer.drained().catch(() => undefined)
  }

  #forgetExpired(rows: EntryRows): void {
    const watermark = this.#committedWatermark
    if (this.#forgetting !== null || !Number.isFinite(watermark)) return
    rows.timers.forget(watermark)
    const isInMemory = ({ text, start, end }: KeyText, hash: number) =>
      this.#heap.find(text, start, end, hash) !== undefined
    const forget = async () => {
      try {
        await this.#cold.deleteExpired(rows, watermark, isInMemory)
      } catch (failure) {
        rows.writer.fail(failure)
      }
      this.#forgetting = null
    }
    this.#forgetting = forget()
  }

  async #scan(rows: EntryRows, { pause }: CheckpointStore): Promise<void> {
    const isInMemory = (key: string, hash: number) =>
      this.#heap.find(Buffer.from(key, 'latin1'), 0, key.length, hash) !== undefined
    const committedWatermark = () => this.#committedWatermark
    try {
      await this.#cold.scan({ rows, isInMemory, committedWatermark, pause })
    } catch (failure) {
      rows.writer.fail(failure)
    }
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

  #restore(key: string, hash: number, { side, row, bytes }: FoundRow): KeyEntry {
    const entry = new StoredEntry(key, hash)
    entry.referenced = true
    entry.rowCheckpoint = row.tag.checkpoint
    entry.rowSide = side
    entry.isFresh = row.isFresh
    entry.isTombstone = row.isTombstone
    entry.rowExpiryBucket = expiryBucketOf(row.expiresAt)
    const text = Buffer.from(key, 'latin1')
    this.#heap.insert(entry, text, 0, text.length)
    this.#cold.remove(key, hash)
    if (saysNothing(entry, this.watermark)) return entry
    const format = this.#format as EntryFormat
    format.read(entry, new ByteReader(bytes, row.contentAt), this.watermark)
    format.restored(entry, row.timerAt === Infinity ? undefined : row.timerAt)
    if (row.timerAt !== Infinity) entry.timerStored = true
    return entry
  }

  /** Writes an entry as it was at the barrier. */
  #thaw(entry: StoredEntry): void {
    const { checkpoint, watermark } = this.#frozen as FrozenEntries
    entry.frozen = false
    this.#write(entry, checkpoint, watermark)
  }

  #write(entry: StoredEntry, checkpoint: number, watermark: number): void {
    const rows = this.#rows as EntryRows
    if (rows.write(entry, checkpoint, watermark)) this.#deleted.push(entry)
  }

  /** @returns whether the entry has left */
  #evict(entry: StoredEntry): boolean {
    const format = this.#format as EntryFormat
    const rows = this.#rows as EntryRows
    if (entry.frozen) this.#thaw(entry)
    const isEmpty = format.isEmpty(entry)
    if (entry.changed) {
      // Both sides are taken until the checkpoint that is being written is complete.
      const { rowCheckpoint } = entry
      if (rowCheckpoint > rows.validity.committed && rowCheckpoint !== this.#checkpoint)
        return false
      entry.changed = false
      this.#write(entry, this.#checkpoint, this.watermark)
    }
    if (isEmpty) return this.#evictEmpty(entry)
    if (hasExpired(entry.rowExpiryBucket, this.#committedWatermark)) rows.deleteOf(entry)
    else this.#noteCold(entry)
    if (entry.timerStored) rows.timers.left(entry.timerAt, entry.key)
    format.free(entry)
    this.#drop(entry)
    return true
  }

  #evictEmpty(entry: StoredEntry): boolean {
    const rows = this.#rows as EntryRows
    if (entry.rowCheckpoint === 0) {
      this.#drop(entry)
      return true
    }
    if (entry.isTombstone) {
      // What it replaces is on disk as long as a checkpoint may need it.
      if (entry.rowCheckpoint > rows.validity.committed) return false
      rows.deleteOf(entry)
    } else if (hasExpired(entry.rowExpiryBucket, this.#committedWatermark)) rows.deleteOf(entry)
    else this.#noteCold(entry)
    this.#drop(entry)
    return true
  }

  #noteCold({ key, hash, rowSide: side, rowExpiryBucket: expiryBucket }: StoredEntry): void {
    this.#cold.add(key, hash, { side, expiryBucket })
  }

  #drop(entry: StoredEntry): void {
    entry.changed = false
    this.#heap.remove(entry)
  }
}

interface DueKey {
  readonly key: string
  readonly hash: number
}
