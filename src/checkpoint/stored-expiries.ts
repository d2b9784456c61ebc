import { timeBucketKey, timePrefix } from './checkpoint-row.ts'
import {
  type StoredTimesOptions,
  TimeRows,
  timeBucketOf,
  timesOfRowContent,
} from './stored-times.ts'

/** A key whose state has run out without a timer. */
export interface ExpiredKey {
  /** Canonical, one char a byte. */
  readonly key: string
  /** Whether the key had no row but that on side 0. */
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

  /** Notes that a key's state runs out, to be written. @param expiresAt epoch ms */
  note(expiresAt: number, { key, isFresh }: ExpiredKey): void {
    this.#rows.note({ at: expiresAt, mark: isFresh ? freshMark : 0, key })
  }

  /** Hands over what was noted. */
  send(): void {
    this.#rows.send()
  }

  /**
   * Takes out what has run out at the event time of the newest complete checkpoint.
   * @param watermark epoch ms
   * @param take takes keys in lists; a key may have got newer state
   */
  async takeOut(watermark: number, take: (keys: readonly ExpiredKey[]) => void): Promise<void> {
    const { operator, store, writer, directory } = this.#options
    const gte = timePrefix('x', operator)
    const lt = timeBucketKey('x', operator, timeBucketOf(watermark + 1))
    let found = false
    for await (const rows of store.iterate({ gte, lt }, 4)) {
      found = true
      for (const { value } of rows) {
        const times = timesOfRowContent(value, directory)
        take(times.map(({ key, mark }) => ({ key, isFresh: mark === freshMark })))
      }
    }
    if (found) writer.add({ kind: 'deleteRange', gte, lt })
  }
}

const freshMark = 1
