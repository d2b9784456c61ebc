import { type KeyText, timeBucketKey, timePrefix } from './checkpoint-row.ts'
import { forEachTimeOf, type StoredTimesOptions, TimeRows, timeBucketOf } from './stored-times.ts'

/** A key whose state has run out without a timer. */
export interface ExpiredKey {
  readonly key: KeyText
  /** When it was noted to run out, epoch ms. */
  readonly expiresAt: number
  /** Whether it had no row then but that on side 0. */
  readonly isFresh: boolean
}

/** When the state of keys runs out of which nothing follows: their rows are deleted afterwards. */
export class StoredExpiries {
  readonly #options: StoredTimesOptions
  readonly #rows: TimeRows

  constructor(options: StoredTimesOptions) {
    this.#options = options
    this.#rows = new TimeRows('x', options)
  }

  /**
   * Notes that a key's state runs out, to be written.
   * @param expiresAt epoch ms
   * @param key canonical, one char a byte
   * @param isFresh whether the key has no row but that on side 0
   */
  note(expiresAt: number, key: string, isFresh: boolean): void {
    this.#rows.note({ at: expiresAt, mark: isFresh ? freshMark : 0, key })
  }

  /** Hands over what was noted. */
  send(): void {
    this.#rows.send()
  }

  /**
   * Takes out what has run out at the event time of the newest complete checkpoint.
   * @param watermark epoch ms
   * @param take given each key: it may have got newer state
   */
  async takeOut(watermark: number, take: (expired: ExpiredKey) => void): Promise<void> {
    const { operator, store, writer, directory } = this.#options
    const gte = timePrefix('x', operator)
    const lt = timeBucketKey('x', operator, timeBucketOf(watermark + 1))
    let found = false
    for await (const rows of store.iterate({ gte, lt }, 4)) {
      found = true
      for (const { value } of rows) {
        forEachTimeOf(value, directory, (key, expiresAt, mark) => {
          take({ key, expiresAt, isFresh: mark === freshMark })
        })
        await writer.share()
      }
    }
    if (found) writer.add({ kind: 'deleteRange', gte, lt })
  }
}

const freshMark = 1
