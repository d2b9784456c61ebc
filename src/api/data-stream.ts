import type { Sink } from '../connector/sink.ts'
import { TocsinError } from '../errors.ts'
import { KeyedProcessOperator } from '../operator/keyed-process-operator.ts'
import { type OutputTag, TaggedOutputs } from '../operator/output-tag.ts'
import type { KeyedProcessFunction, ProcessFunction } from '../operator/process-function.ts'
import { processOperator } from '../operator/process-operator.ts'
import type { RejectedEvent, RejectionKind } from '../operator/side-output.ts'
import { SinkOperator } from '../operator/sink-operator.ts'
import { filterOperator, flatMapOperator, mapOperator } from '../operator/stateless-operator.ts'
import { RecordOutput, type StreamRecord } from '../operator/stream-record.ts'
import { UnionOperator } from '../operator/union-operator.ts'
import type { KeyValue } from '../stream/key.ts'
import type { Program } from './program.ts'

/** What a key may be: JSON values compare by type and exact value, lists part by part. */
export type StreamKey = KeyValue | readonly KeyValue[]

/**
 * A stream of values in a program (Flink's DataStream). Each call adds an operator behind it; what
 * is emitted by several calls on one stream goes to each. Values are shared: they must not be
 * changed. Functions are called synchronously, and an error that they throw fails the job.
 */
export class DataStream<T> {
  readonly #program: Program
  readonly #output: RecordOutput<T>

  constructor(program: Program, output: RecordOutput<T>) {
    this.#program = program
    this.#output = output
  }

  map<Out>(map: (value: T) => Out): DataStream<Out> {
    return this.#extend((output: RecordOutput<Out>) => mapOperator(map, output))
  }

  filter<Narrow extends T>(predicate: (value: T) => value is Narrow): DataStream<Narrow>
  filter(predicate: (value: T) => boolean): DataStream<T>
  filter(predicate: (value: T) => boolean): DataStream<T> {
    return this.#extend((output: RecordOutput<T>) => filterOperator(predicate, output))
  }

  flatMap<Out>(flatMap: (value: T) => Iterable<Out>): DataStream<Out> {
    return this.#extend((output: RecordOutput<Out>) => flatMapOperator(flatMap, output))
  }

  /** A value whose key is null, missing, an object or no finite number goes to dead letters. */
  keyBy<K extends StreamKey>(selectKey: (value: T) => K): KeyedStream<K, T> {
    return new KeyedStream(this.#program, this.#output, selectKey)
  }

  process<Out>(processFunction: ProcessFunction<T, Out>): ProcessedStream<Out> {
    const outputs = new TaggedOutputs<Out>()
    this.#program.demandUnstarted()
    this.#output.addReceiver(processOperator(processFunction, outputs))
    this.#program.parts.push({
      open: () => processFunction.open?.(),
      close: () => processFunction.close?.(),
    })
    return new ProcessedStream(this.#program, outputs)
  }

  /**
   * This stream and the others as one: its time is the least of theirs.
   * @throws {TocsinError} PROGRAM_INVALID if one is of another environment
   */
  union(...others: readonly DataStream<T>[]): DataStream<T> {
    const output = new RecordOutput<T>()
    const union = new UnionOperator(output)
    this.#program.demandUnstarted()
    for (const stream of [this, ...others]) {
      if (stream.#program !== this.#program) {
        throw new TocsinError('PROGRAM_INVALID', 'a union takes streams of one environment only')
      }
      stream.#output.addReceiver(union.addInput())
    }
    return new DataStream(this.#program, output)
  }

  /**
   * Writes each value to the sink as one document; several streams may share a sink.
   * @param serialize gives one line; default `JSON.stringify`
   */
  sinkTo(sink: Sink, serialize: (value: T) => string = (value) => JSON.stringify(value)): void {
    this.#program.demandUnstarted()
    const operator = new SinkOperator(serialize)
    this.#output.addReceiver(operator)
    this.#program.sinks.push({ sink, operator })
  }

  #extend<Out>(
    operator: (output: RecordOutput<Out>) => ReturnType<typeof mapOperator<T, Out>>,
  ): DataStream<Out> {
    this.#program.demandUnstarted()
    const output = new RecordOutput<Out>()
    this.#output.addReceiver(operator(output))
    return new DataStream(this.#program, output)
  }
}

/** What a ProcessFunction gives: its main output, and side outputs beside it. */
export class ProcessedStream<T> extends DataStream<T> {
  readonly #program: Program
  readonly #outputs: TaggedOutputs<T>

  constructor(program: Program, outputs: TaggedOutputs<T>) {
    super(program, outputs.main)
    this.#program = program
    this.#outputs = outputs
  }

  /** @throws {TocsinError} PROGRAM_INVALID if another tag has the same name */
  getSideOutput<Side>(tag: OutputTag<Side>): DataStream<Side> {
    this.#program.demandUnstarted()
    return new DataStream(this.#program, this.#outputs.side(tag))
  }
}

export interface KeyedProcessStreamOptions<T> {
  /**
   * Takes values that came after their time, since their split had been idle. They are counted in
   * any case.
   */
  readonly lateTo?: OutputTag<T>
}

/** A stream whose values have keys: what state and timers belong to. */
export class KeyedStream<K extends StreamKey, T> {
  readonly #program: Program
  readonly #output: RecordOutput<T>
  readonly #selectKey: (value: T) => K

  constructor(program: Program, output: RecordOutput<T>, selectKey: (value: T) => K) {
    this.#program = program
    this.#output = output
    this.#selectKey = selectKey
  }

  /** Runs the function over the values in order of event time, its timers between them. */
  process<Out>(
    processFunction: KeyedProcessFunction<K, T, Out>,
    { lateTo }: KeyedProcessStreamOptions<T> = {},
  ): ProcessedStream<Out> {
    const program = this.#program
    program.demandUnstarted()
    const outputs = new TaggedOutputs<Out>()
    const late = lateTo === undefined ? undefined : outputs.side(lateTo)
    const operator = new KeyedProcessOperator<K, T, Out>(processFunction, outputs, {
      name: program.nextName('process'),
      selectKey: this.#selectKey,
      clock: program.clock,
      onLate(record) {
        late?.processElement(record)
        const reason = 'its split had been idle and time had gone on without it'
        program.rejectLateAfterIdle(rejectedRecord('late_after_idle', record, reason))
      },
      onKeyless: (record, failure) =>
        program.rejectKeyless({
          ...rejectedRecord('dead_letter', record, `its key is ${failure}`),
          cause: 'key',
        }),
    })
    this.#output.addReceiver(operator)
    program.keyedOperators.push(operator)
    program.parts.push(operator)
    return new ProcessedStream(program, outputs)
  }
}

/** A value that is left out, as text: what it was made of has gone. */
function rejectedRecord(
  kind: RejectionKind,
  { split, offset, value }: StreamRecord<unknown>,
  reason: string,
): RejectedEvent {
  const raw = Buffer.from(JSON.stringify(value) ?? 'null').toString('latin1')
  return { kind, ...split, offset, reason, raw }
}
