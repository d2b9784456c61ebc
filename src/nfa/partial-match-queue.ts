import type { MatchStore } from './match-store.ts'

/**
 * A binary heap by `start`, operation for operation as `java.util.PriorityQueue` does it. The
 * order of matches with the same first event follows from the order in which Flink's NFA walks its
 * queue, which is the array's, ties included: hence this one and no other heap.
 *
 * It is a place to work in: `items` beyond `size` are leftovers, and it is used again and again.
 */
export class PartialMatchQueue {
  readonly items: number[] = []
  size = 0
  readonly #store: MatchStore

  constructor(store: MatchStore) {
    this.#store = store
  }

  /** Starts anew with those of a list that are open, which are a heap. */
  resetToOpen(list: number): void {
    const { lists } = this.#store
    this.size = lists.openCount(list)
    for (let index = 0; index < this.size; index++) this.items[index] = lists.matchAt(list, index)
  }

  /** Starts anew with those of a list that wait, likewise. */
  resetToWaiting(list: number): void {
    const { lists } = this.#store
    const open = lists.openCount(list)
    this.size = lists.waitingCount(list)
    for (let index = 0; index < this.size; index++) {
      this.items[index] = lists.matchAt(list, open + index)
    }
  }

  offer(match: number): void {
    const { items } = this
    const start = this.#store.startOf(match)
    let child = this.size++
    while (child > 0) {
      const parent = (child - 1) >>> 1
      const above = items[parent] as number
      if (start >= this.#store.startOf(above)) break
      items[child] = above
      child = parent
    }
    items[child] = match
  }

  /** Whether all stand in order: most often they do, and then no heap need be made again. */
  isSorted(): boolean {
    const { items, size } = this
    const store = this.#store
    let last = -Infinity
    for (let index = 0; index < size; index++) {
      const start = store.startOf(items[index] as number)
      if (start < last) return false
      last = start
    }
    return true
  }

  /** Removes and frees the first elements of a queue that is sorted. */
  dropFirst(count: number): void {
    const { items, size } = this
    for (let index = 0; index < count; index++) this.#store.freeMatch(items[index] as number)
    for (let index = count; index < size; index++) items[index - count] = items[index] as number
    this.size = size - count
  }

  /** Removes the first element; the queue is not empty. */
  poll(): void {
    this.size--
    if (this.size > 0) this.#siftDown(0, this.items[this.size] as number)
  }

  /** Removes and frees what `drop` names, and restores the heap as Java's `removeAll` does. */
  removeWhere(drop: (start: number) => boolean): void {
    const { items } = this
    let kept = 0
    for (let index = 0; index < this.size; index++) {
      const match = items[index] as number
      if (drop(this.#store.startOf(match))) this.#store.freeMatch(match)
      else items[kept++] = match
    }
    if (kept === this.size) return
    this.size = kept
    for (let index = (kept >>> 1) - 1; index >= 0; index--) {
      this.#siftDown(index, items[index] as number)
    }
  }

  #siftDown(from: number, match: number): void {
    const { items, size } = this
    const store = this.#store
    const start = store.startOf(match)
    const half = size >>> 1
    let parent = from
    while (parent < half) {
      let child = 2 * parent + 1
      const right = child + 1
      let below = items[child] as number
      if (right < size && store.startOf(below) > store.startOf(items[right] as number)) {
        child = right
        below = items[child] as number
      }
      if (start <= store.startOf(below)) break
      items[parent] = below
      parent = child
    }
    items[parent] = match
  }
}
