import type { DecodePlan, Decoder } from '../decode/decoder.ts'
import type { ProgramInput } from '../operator/program-input.ts'
import type { RejectedEvent } from '../operator/side-output.ts'
import { RecordOutput } from '../operator/stream-record.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { TimeUnit } from '../time/event-timestamp.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'
import { DataStream } from './data-stream.ts'
import type { Program } from './program.ts'

/** How a program reads a source. */
export interface SourceOptions<T> {
  /** Names the stream: positions of events name it. */
  readonly stream: string
  /** The field with the event time, or a function that gives it in whole epoch ms. */
  readonly time: TimeField | ((event: T) => number)
  /**
   * Makes an event of decoded JSON, and throws where it is none: the record then goes to dead
   * letters. Default: the JSON is taken as it is, unchecked.
   */
  readonly parse?: (json: unknown) => T
  /** What is not given is as in `defaultWatermarkStrategy`. */
  readonly watermarks?: Partial<WatermarkStrategy>
  /** Default: the JSON scanner. */
  readonly createDecoder?: (plan: DecodePlan) => Decoder
}

export interface TimeField {
  /** A name, or names from the outside in. */
  readonly field: string | FieldPath
  /** Default `ms`. */
  readonly unit?: TimeUnit
}

/** Outputs of a source for what it leaves out; those that nobody asked for do not exist. */
export interface RejectionOutputs {
  late?: RecordOutput<RejectedEvent>
  deadLetters?: RecordOutput<RejectedEvent>
  /** Both, as far as they exist. */
  readonly all: RecordOutput<RejectedEvent>[]
}

/** The events of a source, and beside them those that it left out. */
export class SourceStream<T> extends DataStream<T> {
  readonly #program: Program
  readonly #rejections: RejectionOutputs

  constructor(program: Program, output: RecordOutput<T>, rejections: RejectionOutputs) {
    super(program, output)
    this.#program = program
    this.#rejections = rejections
  }

  /** Events at or below their split's watermark as they arrived. */
  lateOutput(): DataStream<RejectedEvent> {
    this.#rejections.late ??= this.#addOutput()
    return new DataStream(this.#program, this.#rejections.late)
  }

  /** Records that are no events: not decodable, or without a usable time. */
  deadLetters(): DataStream<RejectedEvent> {
    this.#rejections.deadLetters ??= this.#addOutput()
    return new DataStream(this.#program, this.#rejections.deadLetters)
  }

  #addOutput(): RecordOutput<RejectedEvent> {
    this.#program.demandUnstarted()
    const output = new RecordOutput<RejectedEvent>()
    this.#rejections.all.push(output)
    return output
  }
}

/** Sends a rejected event to its output, where there is one. */
export function emitRejected<T>(
  input: ProgramInput<T>,
  outputs: RejectionOutputs,
  rejected: RejectedEvent,
): void {
  const output = rejected.kind === 'dead_letter' ? outputs.deadLetters : outputs.late
  if (output !== undefined) input.emitRejected(output, rejected)
}
