import type { Source, SourcePosition, SourceReader } from '../connector/source.ts'
import type { SourceOperator } from '../operator/source-operator.ts'
import type { Clock } from '../time/clock.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import { SplitReader } from './split-reader.ts'

/** A stream that is to be read, and the operator that takes its records. */
export interface StreamInput {
  readonly stream: string
  readonly source: Source
  readonly operator: SourceOperator
  readonly watermarks: WatermarkStrategy
  /** By partition, where its reader goes on; default: each starts anew. */
  readonly positions?: ReadonlyMap<number, SourcePosition>
}

/**
 * Opens the splits of all streams and adds them to their operators, in order of stream and
 * partition: that is how ties of time are ordered (D3). Records of live sources get their time of
 * ingest by `clock`.
 * @throws {TocsinError} what a source throws; what was opened before it is closed
 */
export async function openReaders(
  inputs: readonly StreamInput[],
  clock: Clock,
): Promise<SplitReader[]> {
  const readers: SplitReader[] = []
  try {
    for (const { stream, source, operator, watermarks, positions } of [...inputs].sort(byStream)) {
      for (const reader of [...(await source.open(stream, positions))].sort(byPartition)) {
        const split = operator.addSplit(reader.split)
        const position = positions?.get(reader.split.partition)
        const ingestClock = source.live === true ? clock : null
        const options = { reader, operator, split, watermarks, ingestClock, position }
        readers.push(new SplitReader(options))
      }
    }
  } catch (error) {
    await Promise.all(readers.map(({ reader }) => reader.close()))
    throw error
  }
  return readers
}

function byStream(a: StreamInput, b: StreamInput): number {
  return a.stream < b.stream ? -1 : 1
}

function byPartition(a: SourceReader, b: SourceReader): number {
  return a.split.partition - b.split.partition
}
