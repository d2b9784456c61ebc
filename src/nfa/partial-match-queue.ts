import type { PartialMatch } from './partial-match.ts'

/** Most keys have no completed match waiting: they share one empty array, which is never written. */
export const noPartialMatches: PartialMatch[] = []

/**
 * A binary heap by `start`, operation for operation as `java.util.PriorityQueue` does it. The
 * order of matches with the same first event follows from the order in which Flink's NFA walks its
 * queue, which is the array's, ties included: hence this one and no other heap.
 *
 * It is a place to work in: `items` beyond `size` are leftovers, and it is used again and again.
 */
export class PartialMatchQueue {
  readonly items: PartialMatch[] = []
  size = 0

  /** Starts anew with a copy of a heap. */
  reset(heap: readonly PartialMatch[] = []): void {
    for (let index = 0; index < heap.length; index++)
      this.items[index] = heap[index] as PartialMatch
    this.size = heap.length
  }

  offer(match: PartialMatch): void {
    const { items } = this
    let child = this.size++
    while (child > 0) {
      const parent = (child - 1) >>> 1
      const above = items[parent] as PartialMatch
      if (match.start >= above.start) break
      items[child] = above
      child = parent
    }
    items[child] = match
  }

  /** Removes the first element; the queue is not empty. */
  poll(): void {
    this.size--
    if (this.size > 0) this.#siftDown(0, this.items[this.size] as PartialMatch)
  }

  /** Removes what `drop` names and restores the heap as Java's `removeAll` does. */
  removeWhere(drop: (match: PartialMatch) => boolean): void {
    const { items } = this
    let kept = 0
    for (let index = 0; index < this.size; index++) {
      const match = items[index] as PartialMatch
      if (!drop(match)) items[kept++] = match
    }
    if (kept === this.size) return
    this.size = kept
    for (let index = (kept >>> 1) - 1; index >= 0; index--) {
      this.#siftDown(index, items[index] as PartialMatch)
    }
  }

  /** The heap as an array: `previous` itself, overwritten, where it has the size. */
  intoArray(previous: PartialMatch[]): PartialMatch[] {
    const { items, size } = this
    if (previous.length !== size) return size === 0 ? noPartialMatches : items.slice(0, size)
    for (let index = 0; index < size; index++) previous[index] = items[index] as PartialMatch
    return previous
  }

  #siftDown(from: number, match: PartialMatch): void {
    const { items, size } = this
    const half = size >>> 1
    let parent = from
    while (parent < half) {
      let child = 2 * parent + 1
      const right = child + 1
      let below = items[child] as PartialMatch
      if (right < size && below.start > (items[right] as PartialMatch).start) {
        child = right
        below = items[child] as PartialMatch
      }
      if (match.start <= below.start) break
      items[parent] = below
      parent = child
    }
    items[parent] = match
  }
}
