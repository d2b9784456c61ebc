import type { OutputTag, TaggedOutputs } from './output-tag.ts'
import type { Collector, ProcessContext, ProcessFunction } from './process-function.ts'
import { passingReceiver, type RecordReceiver, type StreamRecord } from './stream-record.ts'

/** Runs a ProcessFunction over a stream without keys: no state, no timers, order of arrival. */
export function processOperator<In, Out>(
  processFunction: ProcessFunction<In, Out>,
  outputs: TaggedOutputs<Out>,
): RecordReceiver<In> {
  const context = new RecordContext(outputs)
  return passingReceiver(
    (record) => {
      context.record = record
      processFunction.processElement(record.value, context, context)
    },
    () => outputs,
  )
}

/** Context and collector of the record at hand. */
class RecordContext<Out> implements ProcessContext, Collector<Out> {
  record: StreamRecord<unknown> = noRecord
  readonly #outputs: TaggedOutputs<Out>

  constructor(outputs: TaggedOutputs<Out>) {
    this.#outputs = outputs
  }

  get timestamp(): number {
    return this.record.timestamp
  }

  collect(value: Out): void {
    this.#outputs.main.processElement({ ...this.record, value })
  }

  output<T>(tag: OutputTag<T>, value: NoInfer<T>): void {
    this.#outputs.side(tag).processElement({ ...this.record, value })
  }
}

const noRecord: StreamRecord<unknown> = {
  value: undefined,
  timestamp: -Infinity,
  split: { stream: '', partition: 0 },
  offset: 0,
}
