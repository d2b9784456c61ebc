import type { ChangedEntries } from './checkpoint-store.ts'
import type { EntryLog } from './entry-log.ts'
import type { StoredEntry } from './stored-entry.ts'

/**
 * The entries that had changed at a barrier. They are written bit by bit while the stream goes on; one
 * that is about to change is written before.
 */
export class FrozenEntries implements ChangedEntries {
  readonly checkpoint: number
  /** Event time of the barrier, epoch ms. */
  readonly watermark: number
  readonly #entries: readonly StoredEntry[]
  readonly #thaw: (entry: StoredEntry) => void
  readonly #log: EntryLog
  #next = 0

  constructor(
    checkpoint: number,
    watermark: number,
    entries: readonly StoredEntry[],
    thaw: (entry: StoredEntry) => void,
    log: EntryLog,
  ) {
    this.checkpoint = checkpoint
    this.watermark = watermark
    this.#entries = entries
    this.#thaw = thaw
    this.#log = log
  }

  get isWritten(): boolean {
    return this.#next === this.#entries.length
  }

  write(count: number): void {
    const end = Math.min(this.#entries.length, this.#next + count)
    for (; this.#next < end; this.#next++) {
      const entry = this.#entries[this.#next] as StoredEntry
      // One that was about to change has been written before.
      if (entry.frozen) this.#thaw(entry)
    }
    if (this.isWritten) this.#log.flush()
  }
}
