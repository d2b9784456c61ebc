import type { CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { DiskKeyedStateBackend } from '../../src/checkpoint/disk-keyed-state-backend.ts'
import { StateCache } from '../../src/checkpoint/state-cache.ts'
import type { ByteReader } from '../../src/state/byte-reader.ts'
import type { ByteWriter } from '../../src/state/byte-writer.ts'
import type { EntryFormat } from '../../src/state/entry-format.ts'
import type { KeyBatch, KeyEntry } from '../../src/state/keyed-state-backend.ts'
import { hashKey } from '../../src/stream/key-group.ts'

/** Entries whose first slot is a text or nothing; one that begins with `until N ` expires at N. */
export const textFormat: EntryFormat = {
  touch: () => undefined,
  isEmpty: (entry) => entry.get(0) === undefined,
  write: (entry: KeyEntry, out: ByteWriter) => out.text(entry.get(0) as string),
  read: (entry: KeyEntry, from: ByteReader) => entry.set(0, from.text()),
  expiryOf(entry) {
    const until = /^until (\d+) /.exec(entry.get(0) as string)
    return until === null ? Infinity : Number(until[1])
  },
  hasRunOut: (entry, watermark) =>
    textFormat.isEmpty(entry) || textFormat.expiryOf(entry) <= watermark,
  restored(entry, timerAt) {
    entry.timerAt = timerAt ?? Infinity
  },
  free: () => undefined,
  heldBytes: () => 0,
}

/** Texts by key, in a backend with a disk below. */
export class TextEntries {
  readonly backend: DiskKeyedStateBackend

  constructor(cacheBytes = 0) {
    this.backend = new DiskKeyedStateBackend(new StateCache(cacheBytes))
    this.backend.useFormat(textFormat)
  }

  open(store: CheckpointStore, operator = 'op'): this {
    this.backend.open(store, operator)
    return this
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#find(key))?.get(0) as string | undefined
  }

  /** `undefined` deletes the key. */
  async set(key: string, text: string | undefined, timerAt = Infinity): Promise<void> {
    const { backend } = this
    const found = await this.#find(key)
    if (found === undefined && text === undefined) return
    const entry = found ?? backend.create(Buffer.from(key, 'latin1'), 0, key.length, hashOf(key))
    backend.beforeChange(entry)
    entry.set(0, text)
    entry.timerAt = timerAt
    backend.markChanged(entry)
    if (text === undefined) backend.remove(entry)
  }

  /** Lets everything leave memory that can. */
  trim(): void {
    for (let round = 0; round < 4; round++) this.backend.trim()
  }

  async #find(key: string): Promise<KeyEntry | undefined> {
    const keys = batchOf(key)
    const { backend } = this
    for (let wait = backend.ask(keys, 0, 1); wait !== null; wait = backend.ask(keys, 0, 1)) {
      await wait
    }
    return this.backend.find(keys.arenas[0] as Buffer, 0, key.length, hashOf(key))
  }
}

export function batchOf(...keys: readonly string[]): KeyBatch {
  return {
    arenas: keys.map((key) => Buffer.from(key, 'latin1')),
    keyStarts: new Int32Array(keys.length),
    keyEnds: Int32Array.from(keys, (key) => key.length),
    hashes: Int32Array.from(keys, hashOf),
  }
}

function hashOf(key: string): number {
  return hashKey(Buffer.from(key, 'latin1')) | 0
}
