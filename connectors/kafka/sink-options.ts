import { CompressionTypes } from 'kafkajs'
import type { ConnectorOptions, OptionSchema } from '../../src/connector/connector.ts'
import { durationExpected, durationPattern, parseDuration } from '../../src/connector/duration.ts'
import { TocsinError } from '../../src/errors.ts'
import { type ClientOptions, clientOptionProperties, clientOptionsOf } from './client-options.ts'
import { registerCompression } from './compression.ts'

/** What a Kafka sink is told. */
export interface KafkaSinkOptions {
  readonly client: ClientOptions
  readonly topic: string
  readonly compression: CompressionTypes
  readonly markerTopic: string
  /** `null`: made of job and sink. */
  readonly transactionalId: string | null
  readonly transactionTimeoutMs: number
}

const compressions: ReadonlyMap<string, CompressionTypes> = new Map([
  ['none', CompressionTypes.None],
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
])

const topicName = {
  type: 'string',
  pattern: '^(?!\\.\\.?$)[a-zA-Z0-9._-]{1,249}$',
  'x-expected': "a topic's name: letters, digits, `.`, `_` and `-`",
}

export const kafkaSinkSchema: OptionSchema = {
  type: 'object',
  description:
    'Writes each alert as a record: the JSON document, under the key of the alert, with its id as the ' +
    'header `id`. With checkpoints each comes once for readers with isolation.level=read_committed.',
  properties: {
    ...clientOptionProperties,
    topic: {
      description: 'The topic for alerts; it must be there.',
      ...topicName,
      examples: ['alerts'],
    },
    compression: {
      description: 'Of the batches; default `none`.',
      enum: [...compressions.keys()],
      examples: ['gzip'],
    },
    marker_topic: {
      description:
        'The compacted topic for what is committed; default `tocsin-markers`. It is created where it is not there.',
      ...topicName,
      examples: ['tocsin-markers'],
    },
    transactional_id: {
      description:
        "The sink's name in transactions, and in `marker_topic`; default `tocsin.JOB.SINK`. No other sink may have it.",
      type: 'string',
      minLength: 1,
      examples: ['tocsin.fraud.alerts'],
    },
    transaction_timeout: {
      description:
        'After how long the broker ends a transaction whose process has died; default `1m`. At most what brokers allow, which is `15m` by default.',
      type: 'string',
      minLength: 1,
      pattern: durationPattern,
      'x-expected': durationExpected,
      examples: ['1m'],
    },
  },
  required: ['topic'],
  additionalProperties: false,
}

/** Those of options that their schema has accepted. @throws {TocsinError} CONFIG_INVALID */
export function kafkaSinkOptions(options: ConnectorOptions): KafkaSinkOptions {
  registerCompression()
  const { topic, marker_topic: markerTopic = 'tocsin-markers' } = options
  if (topic === markerTopic) {
    throw new TocsinError(
      'CONFIG_INVALID',
      'expected a `marker_topic` that is not the topic for alerts',
    )
  }
  const timeout = parseDuration(options.transaction_timeout ?? '1m')
  if ('problem' in timeout) {
    throw new TocsinError('CONFIG_INVALID', `transaction_timeout: ${timeout.problem}`)
  }
  if (timeout.ms < 1000) {
    throw new TocsinError('CONFIG_INVALID', 'expected a `transaction_timeout` of at least `1s`')
  }
  return {
    client: clientOptionsOf(options),
    topic: topic as string,
    compression:
      compressions.get((options.compression as string) ?? 'none') ?? CompressionTypes.None,
    markerTopic: markerTopic as string,
    transactionalId: (options.transactional_id as string | undefined) ?? null,
    transactionTimeoutMs: timeout.ms,
  }
}
