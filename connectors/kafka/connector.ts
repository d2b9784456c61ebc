import type { Connector } from '../../src/connector/connector.ts'
import { KafkaSink } from './sink.ts'
import { kafkaSinkOptions, kafkaSinkSchema } from './sink-options.ts'
import { TwoPhaseCommitKafkaSink } from './two-phase-commit-sink.ts'

/** Kafka topics. */
export const kafkaConnector: Connector = {
  name: 'kafka',
  sink: {
    options: kafkaSinkSchema,
    create: (options) => new KafkaSink(kafkaSinkOptions(options)),
    createTwoPhaseCommit: (options, { job, sink }) => {
      const read = kafkaSinkOptions(options)
      const transactionalId = read.transactionalId ?? `tocsin.${job}.${sink}`
      return new TwoPhaseCommitKafkaSink(read, { job, transactionalId })
    },
  },
}
