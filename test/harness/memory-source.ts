import type { PollResult, Source, SourceReader } from '../../src/connector/source.ts'
import type { Split } from '../../src/stream/event.ts'
import { recordBatch } from './decoder-difference.ts'

/**
 * One poll of a split: records as JSON values (a string is its own text), nothing for now, nothing
 * for now though there is more outside, and why, new splits by partition, or a failure.
 */
export type MemoryPoll =
  | readonly unknown[]
  | 'idle'
  | 'backlog'
  | { readonly problem: string }
  | { readonly splits: Readonly<Record<number, readonly MemoryPoll[]>> }
  | Error

export interface MemorySourceOptions {
  readonly live?: boolean
}

/** A source whose splits give what the test has written down, one poll after the other. */
export function memorySource(
  splits: readonly (readonly MemoryPoll[])[],
  { live = false }: MemorySourceOptions = {},
): MemorySource {
  return new MemorySource(splits, live)
}

class MemorySource implements Source {
  readonly bounded = true
  readonly live: boolean
  /** Splits that were opened and not closed. */
  openReaders = 0
  readonly #splits: readonly (readonly MemoryPoll[])[]

  constructor(splits: readonly (readonly MemoryPoll[])[], live: boolean) {
    this.#splits = splits
    this.live = live
  }

  async open(stream: string) {
    return this.#splits.map((polls, partition) => {
      this.openReaders++
      return this.#reader({ stream, partition }, polls)
    })
  }

  #newReaders({ stream }: Split, splits: Readonly<Record<number, readonly MemoryPoll[]>>) {
    return Object.entries(splits).map(([partition, polls]) => {
      this.openReaders++
      return this.#reader({ stream, partition: Number(partition) }, polls)
    })
  }

  #reader(split: Split, polls: readonly MemoryPoll[]): SourceReader {
    let next = 0
    let offset = 0
    return {
      split,
      pollBatch: async (): Promise<PollResult> => {
        const poll = polls[next++]
        if (poll === undefined) return { kind: 'end' }
        if (poll === 'idle') return { kind: 'idle', untilMs: 0 }
        if (poll === 'backlog') return { kind: 'idle', untilMs: 0, backlog: true }
        if (poll instanceof Error) throw poll
        if ('problem' in poll) return { kind: 'idle', untilMs: 0, backlog: true, ...poll }
        if ('splits' in poll)
          return { kind: 'splits', readers: this.#newReaders(split, poll.splits) }
        const texts = poll.map((record) =>
          typeof record === 'string' ? record : JSON.stringify(record),
        )
        const first = offset
        offset += texts.length
        const offsets = Float64Array.from(texts, (_, row) => first + row)
        return { kind: 'batch', batch: { ...recordBatch(texts), split, offsets } }
      },
      progress: () => ({ read: next, total: polls.length }),
      close: async () => {
        this.openReaders--
      },
    }
  }
}
