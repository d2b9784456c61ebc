import { spread } from './inline-key.ts'

/**
 * A set of hashes that may say yes to one it has not got, but never no to one that it has: a filter
 * after Bloom (1970) with one function. It is small enough to stay near the processor, where what it
 * stands for costs a wait for memory each time.
 */
export class HashFilter {
  readonly #words: Int32Array
  readonly #mask: number
  #isEmpty = true

  /** @param bits a power of two; some thirty times the number of hashes make few wrong answers */
  constructor(bits: number) {
    this.#words = new Int32Array(bits / 32)
    this.#mask = bits - 1
  }

  add(hash: number): void {
    const bit = spread(hash) & this.#mask
    this.#words[bit >>> 5] = (this.#words[bit >>> 5] as number) | (1 << (bit & 31))
    this.#isEmpty = false
  }

  mayHave(hash: number): boolean {
    const bit = spread(hash) & this.#mask
    return ((this.#words[bit >>> 5] as number) & (1 << (bit & 31))) !== 0
  }

  clear(): void {
    if (this.#isEmpty) return
    this.#words.fill(0)
    this.#isEmpty = true
  }
}
