import type { Source } from '../connector/source.ts'
import { createScannerDecoder } from '../decode/json-scanner.ts'
import { type ConnectorError, TocsinError } from '../errors.ts'
import { ProgramInput } from '../operator/program-input.ts'
import type { RejectedEvent } from '../operator/side-output.ts'
import { SourceOperator, type SourceOperatorOptions } from '../operator/source-operator.ts'
import { RecordOutput } from '../operator/stream-record.ts'
import { defaultSorterCapBytes, type SorterCapExceeded } from '../runtime/sorter-cap.ts'
import type { ColumnBatch } from '../stream/column-batch.ts'
import type { Clock, Scheduler } from '../time/clock.ts'
import { isTimestamp } from '../time/event-timestamp.ts'
import { neverStopped } from '../time/stop-signal.ts'
import { defaultWatermarkStrategy } from '../time/watermark-strategy.ts'
import { type ElementOptions, elementOf, elementSource } from './element-source.ts'
import { Program, type ProgramSummary } from './program.ts'
import { runProgram } from './program-job.ts'
import { RowParser } from './row-parser.ts'
import {
  emitRejected,
  type RejectionOutputs,
  type SourceOptions,
  SourceStream,
} from './source-stream.ts'

export interface EnvironmentOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Told of each event that is left out, whatever outputs there are for it. */
  readonly onRejected?: (rejected: RejectedEvent) => void
  /** What may wait for the watermark in all keyed operators, roughly, bytes; default 256 MiB. */
  readonly sorterCapBytes?: number
  /** Told once, when more had to wait though only the split furthest behind was read. */
  readonly onSorterCapExceeded?: (exceeded: SorterCapExceeded) => void
  /** Told of each failure to open a source that may pass, and after how long, ms, it is tried again. */
  readonly onSourceRetry?: (failure: ConnectorError, waitMs: number) => void
}

/**
 * Where a program begins: it gives streams of sources, and runs what was built on them (Flink's
 * StreamExecutionEnvironment). It drives the operators, splits and task that rules run on.
 *
 * A rule set will enter here too, as one more operator on a stream: as a `RecordReceiver`.
 */
export class StreamExecutionEnvironment {
  readonly #program: Program
  readonly #scheduler: Scheduler
  readonly #stop = new AbortController()
  readonly #onSourceRetry: NonNullable<EnvironmentOptions['onSourceRetry']>

  constructor(options: EnvironmentOptions) {
    const { clock, scheduler, onRejected = () => undefined } = options
    this.#program = new Program(clock, onRejected, {
      capBytes: options.sorterCapBytes ?? defaultSorterCapBytes,
      onExceeded: options.onSorterCapExceeded ?? (() => undefined),
    })
    this.#scheduler = scheduler
    this.#onSourceRetry = options.onSourceRetry ?? (() => undefined)
  }

  /**
   * The events of a source, decoded from JSON.
   * @throws {TocsinError} PROGRAM_INVALID if the program has such a stream already
   */
  from<T>(source: Source, options: SourceOptions<T>): SourceStream<T> {
    const program = this.#program
    program.demandUnstarted()
    const { stream } = options
    if (program.inputs.some((input) => input.stream === stream)) {
      throw new TocsinError('PROGRAM_INVALID', `the program reads a stream '${stream}' already`)
    }
    const watermarks = { ...defaultWatermarkStrategy, ...options.watermarks }
    const parser = new RowParser(1, options.parse ?? ((json: unknown) => json as T))
    const output = new RecordOutput<T>()
    const rejections: RejectionOutputs = { all: [] }
    const reject = (rejected: RejectedEvent): void => {
      program.reject(rejected)
      emitRejected(input, rejections, rejected)
    }
    const input = new ProgramInput<T>(
      ({ columns }, row) => parser.read(columns, row),
      output,
      rejections.all,
      reject,
    )
    const operator = new SourceOperator(
      { ...timeOptions(options, parser), watermarks, from: -Infinity, to: Infinity },
      [input],
      reject,
    )
    program.inputs.push({ stream, source, operator, watermarks })
    return new SourceStream(program, output, rejections)
  }

  /** A stream of given JSON-like values, for tests and examples. */
  fromElements<T>(elements: readonly T[], options: ElementOptions<T> = {}): SourceStream<T> {
    return this.from<T>(elementSource(elements, options), {
      stream: this.#program.nextName('elements'),
      // The elements bring their times along.
      time: { field: 'element' },
      parse: (record) => elementOf(record) as T,
      watermarks: { outOfOrdernessMs: options.outOfOrdernessMs ?? 0 },
    })
  }

  /**
   * Runs the program until its sources have ended; once only.
   * @throws {TocsinError} PROGRAM_INVALID for a second time, and what a source or sink throws; what
   * a function of the program throws is thrown on as it is
   */
  async execute(): Promise<ProgramSummary> {
    return await runProgram(this.#program, {
      scheduler: this.#scheduler,
      stop: { ...neverStopped, asked: this.#stop.signal },
      onSourceRetry: this.#onSourceRetry,
    })
  }

  /** Ends the run before its next batch: time stays where it is, and no timer fires for it. */
  stop(): void {
    this.#stop.abort()
  }
}

type TimeOptions = Pick<
  SourceOperatorOptions,
  'decoder' | 'timeColumn' | 'timeField' | 'timeUnit' | 'assignTimestamp'
>

/** Column 0 has the time field, column 1 the whole record. */
function timeOptions<T>(
  { time, createDecoder = createScannerDecoder }: SourceOptions<T>,
  parser: RowParser<T>,
): TimeOptions {
  const whole: readonly string[] = []
  if (typeof time === 'function') {
    return {
      decoder: createDecoder({ fields: [whole, whole] }),
      timeColumn: 0,
      timeField: '',
      timeUnit: 'ms',
      assignTimestamp: (columns, row) => assignedTime(time, parser, columns, row),
    }
  }
  const { field, unit = 'ms' } = time
  const path = typeof field === 'string' ? [field] : field
  return {
    decoder: createDecoder({ fields: [path, whole] }),
    timeColumn: 0,
    timeField: path.join('.'),
    timeUnit: unit,
  }
}

function assignedTime<T>(
  time: (event: T) => number,
  parser: RowParser<T>,
  columns: ColumnBatch,
  row: number,
): number | string {
  const parsed = parser.read(columns, row)
  if (parsed.kind === 'rejected') return parsed.reason
  try {
    const timestamp = time(parsed.value)
    if (isTimestamp(timestamp)) return timestamp
    return `the assigned time is no whole number of ms in range: ${timestamp}`
  } catch (error) {
    return `no time could be assigned: ${error instanceof Error ? error.message : error}`
  }
}
