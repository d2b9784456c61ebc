import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { KeyEntry } from './keyed-state-backend.ts'

/** What an operator tells a backend with a disk below of its entries. */
export interface EntryFormat {
  /** Whether the slots hold nothing: such an entry is the same as none. */
  isEmpty(entry: KeyEntry): boolean
  /** Reads ahead what `write` and `free` will need of the first `count` entries. */
  touch(entries: readonly KeyEntry[], count: number): void
  /** Writes what the slots hold. */
  write(entry: KeyEntry, out: ByteWriter): void
  /**
   * Puts into the slots of a new entry what `write` has written.
   * @param watermark event time that has been reached, epoch ms: what ran out before may be left out
   */
  read(entry: KeyEntry, from: ByteReader, watermark: number): void
  /**
   * Event time from which on the entry is the same as none although nobody has looked at it, epoch
   * ms; infinity: it must be looked at when its timer is due.
   */
  expiryOf(entry: KeyEntry): number
  /** Whether that is at or before an event time, epoch ms: at the end of time it costs less to know. */
  hasRunOut(entry: KeyEntry, watermark: number): boolean
  /** An entry was read: its timer is `timerAt`, epoch ms, or follows from its slots if undefined. */
  restored(entry: KeyEntry, timerAt: number | undefined): void
  /** The entry leaves memory: lets go of what its slots refer to. */
  free(entry: KeyEntry): void
  /** What entries hold outside of themselves, roughly, bytes. */
  heldBytes(): number
}
