import type { RecordReceiver, StreamRecord } from './stream-record.ts'

/** The end of a stream: keeps documents until the runtime, which can wait, writes them. */
export class SinkOperator<T> implements RecordReceiver<T> {
  readonly #serialize: (value: T) => string
  #documents: string[] = []

  constructor(serialize: (value: T) => string) {
    this.#serialize = serialize
  }

  processElement(record: StreamRecord<T>): void {
    this.#documents.push(this.#serialize(record.value))
  }

  /** Gives what has gathered, once. */
  takeDocuments(): readonly string[] {
    const documents = this.#documents
    this.#documents = []
    return documents
  }

  addSplit(): void {}
  advanceWatermark(): void {}
  markIdle(): void {}
}
