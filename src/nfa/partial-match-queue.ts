import type { PartialMatch } from './partial-match.ts'

/**
 * A binary heap by `start` in a plain array, operation for operation as `java.util.PriorityQueue`
 * does it. The order of matches with the same first event follows from the order in which Flink's
 * NFA walks its queue, which is the array's, ties included: hence this one and no other heap.
 */
export function offer(queue: PartialMatch[], match: PartialMatch): void {
  let child = queue.length
  queue.push(match)
  while (child > 0) {
    const parent = (child - 1) >>> 1
    const above = queue[parent] as PartialMatch
    if (match.start >= above.start) break
    queue[child] = above
    child = parent
  }
  queue[child] = match
}

/** Removes the first element. */
export function poll(queue: PartialMatch[]): PartialMatch | undefined {
  const first = queue[0]
  const last = queue.pop()
  if (queue.length > 0 && last !== undefined) siftDown(queue, 0, last)
  return first
}

/** Removes what `drop` names and restores the heap as Java's `removeAll` does. */
export function removeWhere(
  queue: PartialMatch[],
  drop: (match: PartialMatch) => boolean,
): PartialMatch[] {
  const kept = queue.filter((match) => !drop(match))
  if (kept.length === queue.length) return queue
  for (let index = (kept.length >>> 1) - 1; index >= 0; index--) {
    siftDown(kept, index, kept[index] as PartialMatch)
  }
  return kept
}

function siftDown(queue: PartialMatch[], from: number, match: PartialMatch): void {
  const half = queue.length >>> 1
  let parent = from
  while (parent < half) {
    let child = 2 * parent + 1
    const right = child + 1
    let below = queue[child] as PartialMatch
    if (right < queue.length && below.start > (queue[right] as PartialMatch).start) {
      child = right
      below = queue[child] as PartialMatch
    }
    if (match.start <= below.start) break
    queue[parent] = below
    parent = child
  }
  queue[parent] = match
}
