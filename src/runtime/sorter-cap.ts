/** What sorters may hold together, where nothing else is said, bytes. */
export const defaultSorterCapBytes = 256 * 1024 * 1024

export interface SorterCapOptions {
  /** What all sorters of the task hold now, roughly, bytes. */
  readonly bufferedBytes: () => number
  /** What they may hold, bytes. */
  readonly capBytes: number
  /** Told once, when pausing splits has not helped. */
  readonly onExceeded: (exceeded: SorterCapExceeded) => void
}

/** Sorters hold more than they may, though only the split furthest behind is read. */
export interface SorterCapExceeded {
  readonly bufferedBytes: number
  readonly capBytes: number
}

/**
 * The cap on what sorters hold (D3). At the cap only the split furthest behind goes on: what runs
 * ahead of it is what fills the sorters, and reading it is what empties them. What the
 * out-of-orderness itself holds cannot be relieved so: the job goes on, and says so once.
 */
export class SorterCap {
  readonly #options: SorterCapOptions
  #bufferedBytesMax = 0
  #isExceeded = false

  constructor(options: SorterCapOptions) {
    this.#options = options
  }

  /** The most that was held after a batch, bytes. */
  get bufferedBytesMax(): number {
    return this.#bufferedBytesMax
  }

  /** To be called after each batch. Returns whether the sorters are full. */
  measure(): boolean {
    const { bufferedBytes, capBytes, onExceeded } = this.#options
    const bytes = bufferedBytes()
    if (bytes > this.#bufferedBytesMax) this.#bufferedBytesMax = bytes
    if (!this.#isExceeded && bytes > capBytes * exceededRatio) {
      this.#isExceeded = true
      onExceeded({ bufferedBytes: bytes, capBytes })
    }
    return bytes >= capBytes
  }
}

/** Where pausing helps, at most a batch is added behind the cap. */
const exceededRatio = 1.25
