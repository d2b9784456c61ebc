import type { PollResult, Source } from '../connector/source.ts'
import type { Split } from '../stream/event.ts'
import type { RecordBatch } from '../stream/record-batch.ts'

/** How given elements become a stream. */
export interface ElementOptions<T> {
  /** Event time of an element, whole epoch ms; default: its ordinal, from 0. */
  readonly timestamp?: (element: T, ordinal: number) => number
  /** How many elements come in one batch; default 100. */
  readonly batchSize?: number
  /** Event time may lag so far behind the greatest so far, ms; default 0. */
  readonly outOfOrdernessMs?: number
}

/** A bounded source of given JSON-like elements, one split: for tests and examples. */
export function elementSource<T>(elements: readonly T[], options: ElementOptions<T>): Source {
  const { timestamp = (_, ordinal) => ordinal, batchSize = 100 } = options
  return {
    bounded: true,
    async open(stream) {
      const split = { stream, partition: 0 }
      let read = 0
      return [
        {
          split,
          async pollBatch(): Promise<PollResult> {
            if (read >= elements.length) return { kind: 'end' }
            const from = read
            read = Math.min(elements.length, from + batchSize)
            return {
              kind: 'batch',
              batch: batchOf(elements.slice(from, read), split, from, timestamp),
            }
          },
          progress: () => ({ read, total: elements.length }),
          close: async () => undefined,
        },
      ]
    },
  }
}

/** The element in the record that `elementSource` made of it. */
export function elementOf(record: unknown): unknown {
  return (record as { element?: unknown }).element
}

/** A scanner may look a little ahead. */
const padding = Buffer.alloc(8, '\n')

function batchOf<T>(
  elements: readonly T[],
  split: Split,
  firstOffset: number,
  timestamp: (element: T, ordinal: number) => number,
): RecordBatch {
  // Records are objects, elements need not be.
  const records = elements.map((element) => Buffer.from(`${JSON.stringify({ element })}\n`))
  const starts = new Int32Array(records.length)
  const ends = new Int32Array(records.length)
  let at = 0
  records.forEach((record, row) => {
    starts[row] = at
    at += record.length
    ends[row] = at - 1
  })
  return {
    split,
    bytes: Buffer.concat([...records, padding]),
    count: records.length,
    starts,
    ends,
    offsets: Float64Array.from(records, (_, row) => firstOffset + row),
    timestamps: Float64Array.from(elements, (element, row) =>
      timestamp(element, firstOffset + row),
    ),
  }
}
