import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import type { SorterCap } from './sorter-cap.ts'
import type { SplitReader } from './split-reader.ts'

export interface StreamTaskOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Called after each batch: hands out what was found, reports progress. */
  readonly afterBatch: (batch: RecordBatch) => Promise<void> | void
  /** Asked before each batch: true ends the task, with the watermark where it is. */
  readonly isStopped: () => boolean
  /** Called before each turn, also where nothing was read: fires timers of processing time. */
  readonly beforeTurn?: () => Promise<void> | void
  /**
   * Processing time by which a turn must come, epoch ms, though nothing is read: that of a timer.
   * Infinity, the default: there is none.
   */
  readonly nextTurn?: () => number
  /** Told when something new keeps a split's records from coming, and, by undefined, that they come. */
  readonly onProblem?: (split: Split, problem: string | undefined) => void
  /** Default: sorters hold what they must. */
  readonly sorterCap?: SorterCap
}

/** How long a turn waits for splits that have nothing, ms. */
const emptyWaitMs = 20

/** How long it may run before others get their turn, ms. */
const turnMsMax = 10

/**
 * Reads splits and drives their operators, one batch at a time. The split that is furthest behind
 * in event time goes first: so splits stay together, the sorter stays small, and one that runs
 * ahead waits (D3).
 */
export class StreamTask {
  readonly #readers: SplitReader[]
  readonly #options: StreamTaskOptions
  #sortersAreFull = false
  /** When all others had their last turn, processing time, epoch ms. */
  #yieldedAt = -Infinity

  /** @param readers those of splits that come to be while it runs are added */
  constructor(readers: SplitReader[], options: StreamTaskOptions) {
    this.#readers = readers
    this.#options = options
  }

  /**
   * Runs until every split has ended.
   * @throws {TocsinError} what a reader or an output throws
   */
  async run(): Promise<void> {
    for (;;) {
      if (this.#options.isStopped()) return
      const active = this.#readers.filter((reader) => !reader.ended)
      if (active.length === 0) return
      await this.#yield()
      await this.#options.beforeTurn?.()
      const next = await this.#nextReady(active)
      if (next !== null) await this.#consume(next)
    }
  }

  /** A source that always has something must not keep signals, timers and requests waiting. */
  async #yield(): Promise<void> {
    const { clock, scheduler } = this.#options
    if (clock.now() - this.#yieldedAt < turnMsMax) return
    await scheduler.sleep(0)
    this.#yieldedAt = clock.now()
  }

  async close(): Promise<void> {
    for (const { reader } of this.#readers) await reader.close()
  }

  /** The split furthest behind that has something; within `max_drift` another may go before it. */
  async #nextReady(active: readonly SplitReader[]): Promise<SplitReader | null> {
    const eligible = this.#eligible(active)
    const polls = eligible.map((reader) => reader.fetch())
    const first = eligible[0] as SplitReader
    if (eligible.every(({ empty }) => !empty)) {
      return await this.#fetchBeforeTurn(first)
    }
    await Promise.race([...polls, this.#options.scheduler.sleep(emptyWaitMs)])
    // Who has nothing is noted in every turn: else a busy split would hide that another is idle.
    const ready = eligible.filter((reader) => reader.ready)
    for (const reader of ready) if (reader.isEmptyHanded) await this.#consume(reader)
    return ready.find((reader) => reader.ready) ?? null
  }

  /** The reader once it has something; `null` where a turn must come before. */
  async #fetchBeforeTurn(reader: SplitReader): Promise<SplitReader | null> {
    const { clock, scheduler, nextTurn } = this.#options
    const due = nextTurn?.() ?? Infinity
    const fetched = reader.fetch()
    if (due === Infinity || reader.ready) await fetched
    else {
      // A long sleep would outlive the job: it is taken in short ones.
      const waitMs = Math.min(emptyWaitMs, Math.max(0, due - clock.now()))
      await Promise.race([fetched, scheduler.sleep(waitMs)])
    }
    return reader.ready ? reader : null
  }

  /** Splits that may be read now, the furthest behind first. */
  #eligible(active: readonly SplitReader[]): SplitReader[] {
    const byTime = [...active].sort((a, b) => compare(a.watermark, b.watermark))
    const holding = byTime.find((reader) => !reader.idle)
    if (holding === undefined) return byTime
    const slowest = holding.watermark
    if (this.#sortersAreFull) {
      return byTime.filter(({ watermark, idle }) => !idle && watermark === slowest)
    }
    return byTime.filter(
      ({ watermark, watermarks, idle }) =>
        idle || watermark === slowest || watermark <= slowest + watermarks.maxDriftMs,
    )
  }

  async #consume(reader: SplitReader): Promise<void> {
    const known = reader.problem
    const result = reader.take()
    if (reader.problem !== known) this.#options.onProblem?.(reader.reader.split, reader.problem)
    switch (result.kind) {
      case 'end':
        reader.ended = true
        reader.operator.endSplit(reader.split)
        this.#sortersAreFull = this.#options.sorterCap?.measure() ?? false
        return
      case 'splits':
        this.#readers.push(...result.readers.map((each) => reader.forNewSplit(each)))
        return
      case 'idle':
        this.#noteEmpty(reader, result.backlog === true)
        return
      case 'batch':
        reader.empty = false
        reader.silentSince = Infinity
        reader.idle = false
        void reader.fetch()
        reader.operator.processBatch(reader.split, result.batch)
        if (reader.operator.isPast(reader.split)) reader.reader.finish?.()
        this.#sortersAreFull = this.#options.sorterCap?.measure() ?? false
        await this.#options.afterBatch(result.batch)
        await reader.reader.acknowledge?.(result.batch)
        result.batch.release?.()
    }
  }

  #noteEmpty(reader: SplitReader, hasBacklog: boolean): void {
    reader.empty = true
    const now = this.#options.clock.now()
    reader.silentSince = hasBacklog ? Infinity : Math.min(reader.silentSince, now)
    if (reader.idle || now - reader.silentSince < reader.watermarks.idleAfterMs) return
    reader.idle = true
    reader.operator.markIdle(reader.split)
    this.#sortersAreFull = this.#options.sorterCap?.measure() ?? false
  }
}

/** Minus infinities are equal: subtracting them is not a number. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b
}
