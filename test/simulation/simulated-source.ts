import type { PollResult, Source, SourceReader } from '../../src/connector/source.ts'
import type { Split } from '../../src/stream/event.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/** What one split of a stream holds. */
export interface SimulatedSplit {
  readonly records: readonly string[]
  /** Before the record of this index it has nothing, for so many polls of each run. */
  readonly pause?: { readonly before: number; readonly polls: number }
  /** When each record was taken in, epoch ms; default: nothing is known of that. */
  readonly ingestTimes?: readonly number[]
}

export interface SimulatedSourceOptions {
  /** Simulated time that a poll takes, ms; default 10. */
  readonly pollMs?: number
  /** Records of a batch; default 5. */
  readonly batchLength?: number
  /** Called before each batch is given. */
  readonly onBatch?: () => void
}

/** A source that keeps its records and gives them again from any position. */
export function simulatedSource(
  machine: SimulatedMachine,
  splits: readonly SimulatedSplit[],
  options: SimulatedSourceOptions = {},
): Source {
  return {
    bounded: true,
    replayable: true,
    open: async (stream, positions = new Map()) =>
      splits.map((split, partition) => {
        const from = positions.get(partition)?.offset ?? 0
        return readerOf(machine, { stream, partition }, split, { ...options, from })
      }),
  }
}

/** What lies outside of the machine: records that wait, and how many of them have a receipt. */
export interface SimulatedFeed {
  readonly split: SimulatedSplit
  acknowledged: number
}

/** A source that forgets what it has a receipt for, and sends all else again, as a broker does. */
export function simulatedFeeds(
  machine: SimulatedMachine,
  feeds: readonly SimulatedFeed[],
  options: SimulatedSourceOptions = {},
): Source {
  return {
    bounded: true,
    live: true,
    open: async (stream) =>
      feeds.map((feed, partition) => {
        const from = feed.acknowledged
        const reader = readerOf(machine, { stream, partition }, feed.split, { ...options, from })
        const acknowledge = async ({ count }: RecordBatch) => {
          const apply = () => {
            feed.acknowledged += count
          }
          await machine.perform({ kind: 'receipt', path: `feed ${partition}`, apply })
        }
        return { ...reader, acknowledge }
      }),
  }
}

function readerOf(
  { time }: SimulatedMachine,
  split: Split,
  { records, pause, ingestTimes }: SimulatedSplit,
  options: SimulatedSourceOptions & { readonly from: number },
): SourceReader {
  const { pollMs = 10, batchLength = 5, onBatch } = options
  let at = options.from
  let pausedPolls = 0
  return {
    split,
    async pollBatch(): Promise<PollResult> {
      await time.sleep(pollMs)
      if (at === pause?.before && pausedPolls++ < pause.polls) return { kind: 'idle', untilMs: 0 }
      if (at >= records.length) return { kind: 'end' }
      onBatch?.()
      const from = at
      const end = pause !== undefined && from < pause.before ? pause.before : records.length
      at = Math.min(end, at + batchLength)
      const batch = batchOf(split, records.slice(from, at), from)
      const times = ingestTimes?.slice(from, at)
      return {
        kind: 'batch',
        batch: times === undefined ? batch : { ...batch, ingestTimes: Float64Array.from(times) },
        next: { offset: at },
      }
    },
    progress: () => ({ read: at, total: records.length }),
    close: async () => undefined,
  }
}

/** Records as a source gives them: a newline after each, and a few more after the last. */
export function batchOf(split: Split, records: readonly string[], first: number): RecordBatch {
  const texts = records.map((record) => Buffer.from(record))
  const bytes = Buffer.concat([...texts.flatMap((text) => [text, newline]), sentinel])
  let at = 0
  const starts = Int32Array.from(texts, (text) => {
    const start = at
    at += text.length + 1
    return start
  })
  return {
    split,
    bytes,
    count: texts.length,
    starts,
    ends: starts.map((start, row) => start + (texts[row] as Buffer).length),
    offsets: Float64Array.from(records, (_, index) => first + index),
  }
}

const newline = Buffer.from('\n')
const sentinel = Buffer.alloc(8, '\n')
