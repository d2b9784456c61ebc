import type { PollResult, SourcePosition, SourceReader } from '../../src/connector/source.ts'
import { failureText } from './failure-text.ts'
import type { PartitionQueue, PartitionStretch } from './partition-queue.ts'
import type { RecordPacker, TopicSplit } from './record-packer.ts'

/** How long a poll waits for records before it says that there are none, ms. */
const idleAfterMs = 50

export interface PartitionReaderOptions {
  readonly queue: PartitionQueue
  readonly packer: RecordPacker
  readonly stretch: PartitionStretch
  /** Readers of partitions that are new, each given once. */
  readonly takeNew: () => readonly SourceReader[]
  /** Told of positions that checkpoints have passed. */
  readonly onCheckpoint: (split: TopicSplit, offset: number) => void
  readonly onClose: () => Promise<void>
}

/** Reads one partition of a topic, in offset order. */
export class PartitionReader implements SourceReader {
  readonly split: TopicSplit
  readonly start: SourcePosition
  readonly #options: PartitionReaderOptions
  /** The offset that comes next. */
  #offset: number
  /** The same as it was told last. */
  #told: number
  #isOver = false

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.split = options.packer.split
    this.#offset = options.stretch.from
    this.#told = options.stretch.from
    this.start = this.#position()
  }

  async pollBatch(): Promise<PollResult> {
    const { queue, packer, takeNew } = this.#options
    const giveUpAt = performance.now() + idleAfterMs
    for (;;) {
      if (this.#isOver) return { kind: 'end' }
      const readers = takeNew()
      if (readers.length > 0) return { kind: 'splits', readers }
      this.#fill()
      const batch = packer.take()
      if (batch !== null) {
        this.#told = this.#offset
        return { kind: 'batch', batch, next: this.#position() }
      }
      const { missing } = packer
      const left = giveUpAt - performance.now()
      if (missing !== null && queue.head !== undefined) {
        const problem = await outcomeOf(missing, Math.max(1, left))
        if (problem === null) continue
        const rest = giveUpAt - performance.now()
        if (rest > 0) await queue.wait(rest)
        return this.#idle(true, problem.text)
      }
      if (this.#offset >= this.#options.stretch.to) return { kind: 'end' }
      if (queue.failure !== null) throw queue.failure
      if (left <= 0) return this.#idle(queue.hasBacklog, queue.problem)
      await queue.wait(left)
    }
  }

  progress(): { readonly read: number; readonly total: number | undefined } {
    const { from, to } = this.#options.stretch
    const total = this.#isBounded ? Math.max(0, to - from) : undefined
    return { read: Math.max(0, Math.min(this.#offset, to) - from), total }
  }

  finish(): void {
    // A history ends; what is live has no end.
    if (this.#isBounded) this.#isOver = true
  }

  async notifyCheckpointComplete({ offset }: SourcePosition): Promise<void> {
    this.#options.onCheckpoint(this.split, offset)
  }

  async close(): Promise<void> {
    if (this.#options.queue.isClosed) return
    this.#isOver = true
    this.#options.queue.close()
    await this.#options.onClose()
  }

  /** Packs what is there, up to the size of a batch. */
  #fill(): void {
    const { queue, packer, stretch } = this.#options
    for (let head = queue.head; head !== undefined; head = queue.head) {
      const isDone = packer.add(head, { from: this.#offset, to: stretch.to })
      if (!isDone) {
        this.#offset = Math.max(this.#offset, packer.nextOffset)
        return
      }
      this.#offset = Math.max(this.#offset, head.batch.next)
      queue.shift()
    }
  }

  #idle(backlog: boolean, problem?: string): PollResult & { readonly kind: 'idle' } {
    const moved = this.#offset !== this.#told
    this.#told = this.#offset
    return {
      kind: 'idle',
      untilMs: 0,
      backlog: backlog || this.#isBounded,
      ...(moved ? { next: this.#position() } : {}),
      ...(problem === undefined ? {} : { problem }),
    }
  }

  get #isBounded(): boolean {
    return Number.isFinite(this.#options.stretch.to)
  }

  #position(): SourcePosition {
    return { offset: this.#offset, topic: this.split.origin.topic }
  }
}

/** `null`: it is there. Else what keeps it; without a text that is not known yet. */
async function outcomeOf(
  missing: Promise<void>,
  waitMs: number,
): Promise<{ readonly text?: string } | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<{ readonly text?: string }>((resolve) => {
    timer = setTimeout(() => resolve({}), waitMs)
  })
  const there = missing.then(
    () => null,
    (failure: unknown) => ({ text: failureText(failure) }),
  )
  const outcome = await Promise.race([there, late])
  clearTimeout(timer)
  return outcome
}
