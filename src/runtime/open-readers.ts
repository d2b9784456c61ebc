import type { Source, SourcePosition, SourceReader } from '../connector/source.ts'
import { ConnectorError } from '../errors.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import { backoffMs } from '../time/backoff.ts'
import { doneBefore, type StopSignal } from '../time/stop-signal.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import { type ReaderHost, SplitReader } from './split-reader.ts'

/** A stream that is to be read, and the operator that takes its records. */
export interface StreamInput {
  readonly stream: string
  readonly source: Source
  readonly operator: SourceOperator
  readonly watermarks: WatermarkStrategy
  /** By partition, where its reader goes on; default: each starts anew. */
  readonly positions?: ReadonlyMap<number, SourcePosition>
}

export interface OpenReadersOptions extends ReaderHost {
  readonly stop: StopSignal
  /** Told of each failure to open a source that may pass, and after how long, ms, it is tried again. */
  readonly onRetry: (failure: ConnectorError, waitMs: number) => void
}

/**
 * Opens the splits of all streams and adds them to their operators, in order of stream and
 * partition: that is how ties of time are ordered (D3). Records of live sources get their time of
 * ingest by the clock. A source that is away is waited for.
 * @returns `null`: it was asked to stop before all were open; what was opened is closed
 * @throws {TocsinError} what a source throws; what was opened before it is closed
 */
export async function openReaders(
  inputs: readonly StreamInput[],
  options: OpenReadersOptions,
): Promise<SplitReader[] | null> {
  const readers: SplitReader[] = []
  const closeAll = async () => {
    await Promise.all(readers.map(({ reader }) => reader.close()))
  }
  try {
    for (const input of [...inputs].sort(byStream)) {
      const { source, operator, watermarks, positions } = input
      const opened = await openSource(input, options)
      if (opened === null) {
        await closeAll()
        return null
      }
      for (const reader of [...opened].sort(byPartition)) {
        const split = operator.addSplit(reader.split)
        const position = positions?.get(reader.split.partition)
        const ingestClock = source.live === true ? options.clock : null
        const place = { reader, operator, split, watermarks, position }
        readers.push(new SplitReader({ ...place, ingestClock, host: options }))
      }
    }
  } catch (error) {
    await closeAll()
    throw error
  }
  return readers
}

async function openSource(
  { stream, source, positions }: StreamInput,
  { scheduler, onRetry, stop: { asked } }: OpenReadersOptions,
): Promise<readonly SourceReader[] | null> {
  for (let failures = 1; ; failures++) {
    const opening = source.open(stream, positions)
    try {
      if (await doneBefore(asked, opening)) return await opening
      closeWhenOpen(opening)
      return null
    } catch (failure) {
      if (!(failure instanceof ConnectorError) || !failure.retryable) throw failure
      const waitMs = backoffMs(failures)
      onRetry(failure, waitMs)
      if (!(await doneBefore(asked, scheduler.sleep(waitMs)))) return null
    }
  }
}

/** Nobody waits for it any more, and it must leave nothing open. */
function closeWhenOpen(opening: Promise<readonly SourceReader[]>): void {
  opening.then(
    (readers) => Promise.all(readers.map((reader) => reader.close())),
    () => undefined,
  )
}

function byStream(a: StreamInput, b: StreamInput): number {
  return a.stream < b.stream ? -1 : 1
}

function byPartition(a: SourceReader, b: SourceReader): number {
  return a.split.partition - b.split.partition
}
