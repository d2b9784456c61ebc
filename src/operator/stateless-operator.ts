import { passingReceiver, type RecordOutput, type RecordReceiver } from './stream-record.ts'

/** A record's value is replaced by what the function makes of it. */
export function mapOperator<In, Out>(
  map: (value: In) => Out,
  output: RecordOutput<Out>,
): RecordReceiver<In> {
  return passingReceiver(
    (record) => output.processElement({ ...record, value: map(record.value) }),
    () => [output],
  )
}

/** Only records that the predicate holds for go on. */
export function filterOperator<T>(
  predicate: (value: T) => boolean,
  output: RecordOutput<T>,
): RecordReceiver<T> {
  return passingReceiver(
    (record) => {
      if (predicate(record.value)) output.processElement(record)
    },
    () => [output],
  )
}

/** Each of the values that the function makes of one goes on, with the time of that one. */
export function flatMapOperator<In, Out>(
  flatMap: (value: In) => Iterable<Out>,
  output: RecordOutput<Out>,
): RecordReceiver<In> {
  return passingReceiver(
    (record) => {
      for (const value of flatMap(record.value)) output.processElement({ ...record, value })
    },
    () => [output],
  )
}
