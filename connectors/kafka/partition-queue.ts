import type { TocsinError } from '../../src/errors.ts'
import type { ReadableBatch } from './record-packer.ts'

/** Records of a partition by their offsets: [from, to). */
export interface PartitionStretch {
  readonly topic: string
  readonly partition: number
  readonly from: number
  /** Infinity: it has no end. */
  readonly to: number
}

/**
 * What has been fetched of a partition and not been read yet. It holds about `capBytes`: a
 * partition that is not read is not fetched further.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** Where the next fetch begins. */
  fetchOffset: number
  /** Whether an answer that holds this partition is under way. */
  isFetching = false
  /** How much to ask for: grows where a batch does not fit. */
  maxBytes: number
  /** Why nothing can be fetched ever again. */
  failure: TocsinError | null = null
  /** What keeps records from coming now. */
  problem: string | undefined
  isClosed = false
  /** The offset behind the last record in the partition; undefined: not known. */
  #highWatermark: number | undefined
  readonly #to: number
  readonly #capBytes: number
  readonly #onRoom: () => void
  readonly #batches: ReadableBatch[] = []
  #bytes = 0
  #wake: (() => void) | null = null

  /** @param onRoom called when there is room again */
  constructor(at: PartitionStretch, capBytes: number, onRoom: () => void) {
    this.topic = at.topic
    this.partition = at.partition
    this.fetchOffset = at.from
    this.#to = at.to
    this.maxBytes = capBytes
    this.#capBytes = capBytes
    this.#onRoom = onRoom
  }

  get isFull(): boolean {
    return this.#bytes >= this.#capBytes
  }

  /** Whether there is anything left to fetch. */
  get isOver(): boolean {
    return this.isClosed || this.failure !== null || this.fetchOffset >= this.#to
  }

  /** Whether the partition has records, or may have, that have not been fetched. */
  get hasBacklog(): boolean {
    const end = this.#highWatermark
    return end === undefined || this.fetchOffset < end || this.problem !== undefined
  }

  /** What is to be read next. */
  get head(): ReadableBatch | undefined {
    return this.#batches[0]
  }

  push(batches: readonly ReadableBatch[], highWatermark: number): void {
    for (const each of batches) {
      this.#batches.push(each)
      this.#bytes += each.bytes.length
      this.fetchOffset = each.batch.next
    }
    this.#highWatermark = highWatermark
    this.problem = undefined
    if (batches.length > 0) this.wake()
  }

  /** Lets go of the head. */
  shift(): void {
    const wasFull = this.isFull
    this.#bytes -= this.#batches.shift()?.bytes.length ?? 0
    if (wasFull && !this.isFull) this.#onRoom()
  }

  /** Records may stand in the way of their coming, until the next answer. */
  hold(problem: string): void {
    this.problem = problem
  }

  fail(failure: TocsinError): void {
    this.failure = failure
    this.wake()
  }

  close(): void {
    this.isClosed = true
    this.#batches.length = 0
    this.#bytes = 0
    this.wake()
  }

  wake(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  /** Waits until something has come or has happened, for so long at most, ms. */
  async wait(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
