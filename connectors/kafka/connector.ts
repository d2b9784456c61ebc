import type { Connector, ConnectorOptions } from '../../src/connector/connector.ts'
import { TocsinError } from '../../src/errors.ts'
import { formatOf, formatOptions } from '../format/format-options.ts'
import { clientOptionProperties, clientOptionsOf } from './client-options.ts'
import { type MetadataFields, metadataOption } from './metadata-fields.ts'
import { KafkaSink } from './sink.ts'
import { kafkaSinkOptions, kafkaSinkSchema } from './sink-options.ts'
import { kafkaSource } from './source.ts'
import type { KafkaStart } from './start-offsets.ts'
import { TwoPhaseCommitKafkaSink } from './two-phase-commit-sink.ts'

const topicName = { type: 'string', minLength: 1, maxLength: 249 }

/** Topics of Apache Kafka. */
export const kafkaConnector: Connector = {
  name: 'kafka',
  source: {
    options: {
      type: 'object',
      description: 'Reads topics of Apache Kafka, from positions in its own checkpoints.',
      properties: {
        ...clientOptionProperties,
        topic: {
          description: 'A topic, or a list of topics: new ones go to its end.',
          type: ['string', 'array'],
          minLength: 1,
          minItems: 1,
          uniqueItems: true,
          items: topicName,
          examples: ['payments', ['payments-eu', 'payments-us']],
        },
        start: {
          description:
            'Where to begin without a checkpoint: earliest, latest, at a timestamp, or at offsets ' +
            'by topic and partition. Default earliest.',
          type: ['string', 'object'],
          'x-expected': '`earliest`, `latest`, `{ timestamp: ... }` or `{ offsets: ... }`',
          pattern: '^(?:earliest|latest)$',
          properties: {
            timestamp: {
              description: 'A time such as 2026-11-01T00:00:00Z, or epoch milliseconds.',
              type: ['string', 'integer'],
            },
            offsets: {
              description: 'Topic, partition and offset.',
              type: 'object',
              additionalProperties: {
                type: 'object',
                additionalProperties: { type: 'integer', minimum: 0 },
              },
            },
          },
          minProperties: 1,
          maxProperties: 1,
          additionalProperties: false,
          examples: ['latest', { timestamp: '2026-11-01T00:00:00Z' }],
        },
        isolation: {
          description:
            'read_committed leaves out what transactions have not committed. The default.',
          enum: ['read_committed', 'read_uncommitted'],
        },
        group: {
          description:
            'A consumer group in which positions are noted after each checkpoint, for tools that ' +
            'show lag; nothing is read from it. Default: none.',
          type: 'string',
          minLength: 1,
        },
        fields: metadataOption,
        ...formatOptions,
      },
      required: ['brokers', 'topic'],
      additionalProperties: false,
    },
    create(options) {
      const { topic, group, fields, isolation } = options
      const topics = typeof topic === 'string' ? [topic] : (topic as readonly string[])
      return kafkaSource({
        client: clientOptionsOf(options),
        topics,
        start: startOf(options, topics),
        readsUncommitted: isolation === 'read_uncommitted',
        group: group as string | undefined,
        createFormat: formatOf(options),
        fields: fields as MetadataFields | undefined,
      })
    },
  },
  sink: {
    options: kafkaSinkSchema,
    systemOptions: Object.keys(clientOptionProperties),
    create: (options) => new KafkaSink(kafkaSinkOptions(options)),
    createTwoPhaseCommit: (options, { job, sink }) => {
      const read = kafkaSinkOptions(options)
      const transactionalId = read.transactionalId ?? `tocsin.${job}.${sink}`
      return new TwoPhaseCommitKafkaSink(read, { job, transactionalId })
    },
  },
}

/** @throws {TocsinError} CONFIG_INVALID for a time that is none, and for a topic that is not read */
function startOf({ start = 'earliest' }: ConnectorOptions, topics: readonly string[]): KafkaStart {
  if (typeof start === 'string') return start as KafkaStart
  const given = start as { timestamp?: string | number; offsets?: Record<string, never> }
  if (given.timestamp === undefined) {
    const offsets = given.offsets ?? {}
    const unknown = Object.keys(offsets).find((topic) => !topics.includes(topic))
    if (unknown === undefined) return { offsets }
    const message = `kafka: start.offsets names the topic ${unknown}, which is not read`
    throw new TocsinError('CONFIG_INVALID', message)
  }
  const { timestamp } = given
  const time = typeof timestamp === 'number' ? timestamp : Date.parse(timestamp)
  if (!Number.isNaN(time)) return { timestamp: time }
  const message = `kafka: start.timestamp is not a time: ${timestamp}; write it like 2026-11-01T00:00:00Z`
  throw new TocsinError('CONFIG_INVALID', message)
}
