import type {
  Connector,
  ConnectorContext,
  ConnectorOptions,
} from '../../src/connector/connector.ts'
import {
  connectionOf,
  connectionProperties,
  durationOption,
  invalid,
  millisecondsOf,
  secondsOf,
} from './connection-options.ts'
import type { MessageFormatOptions, MessageIdentity } from './message-format.ts'
import { MQTTSink } from './sink.ts'
import { mqttSource } from './source.ts'
import type { MQTTSourceOptions } from './source-reader.ts'
import { parseTopicFilter } from './topic-filter.ts'
import { parseTopicTemplate } from './topic-template.ts'

const text = { type: 'string', minLength: 1 }
const fieldName = {
  type: 'string',
  pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
  'x-expected': 'a name of letters, digits and `_` that begins with a letter',
}

/** Messages of an MQTT broker as events, and alerts as messages. */
export const mqttConnector: Connector = {
  name: 'mqtt',
  source: {
    options: {
      type: 'object',
      description: 'Takes the messages of topics from an MQTT broker, 3.1.1 or 5.',
      properties: {
        ...connectionProperties,
        client_id: {
          description:
            'How this client calls itself: its session at the broker has this name over restarts. ' +
            'Default JOB-STREAM.',
          ...text,
        },
        topic: {
          description:
            'A topic filter, or a list of them. A name behind + or # makes a field of what it takes.',
          type: ['string', 'array'],
          minLength: 1,
          minItems: 1,
          items: text,
          examples: ['plant/+line/device/+device', ['a/#', '$share/group/b/+site/#rest']],
        },
        qos: { description: 'How surely messages come: 0, 1 or 2. Default 1.', enum: [0, 1, 2] },
        format: {
          description:
            'What payloads are: JSON objects, or text, which becomes a field. Default json.',
          enum: ['json', 'text'],
        },
        fields: {
          description:
            'Names of fields for what is not in a JSON payload; they win over those there.',
          type: 'object',
          properties: {
            payload: { description: 'The payload, with format text. Default value.', ...fieldName },
            topic: { description: 'The whole topic.', ...fieldName },
            retained: { description: 'Whether the broker had retained it.', ...fieldName },
            received: { description: 'When it came, in ms since 1970.', ...fieldName },
          },
          additionalProperties: false,
          examples: [{ topic: 'topic', received: 'ts' }],
        },
        retained: {
          description:
            'Whether messages that the broker had retained are taken or left. Default take.',
          enum: ['take', 'leave'],
        },
        message_id: {
          description: 'Where producers say which message it is: one that comes again is left out.',
          type: 'object',
          properties: {
            field: { description: 'A field of a JSON payload; dots go down.', ...text },
            user_property: { description: 'A user property of version 5.', ...text },
            messages: {
              description: 'How many are remembered at most. Default 100000.',
              type: 'integer',
              minimum: 1,
              maximum: 1_000_000,
              'x-expected': 'a whole number from 1 to 1,000,000',
            },
            for: { description: 'How long they are remembered. Default 1h.', ...durationOption },
          },
          additionalProperties: false,
          examples: [{ field: 'id' }],
        },
        session_expiry: {
          description:
            'How long the broker keeps the session while this client is away. Version 5. Default 7d.',
          ...durationOption,
        },
        receive_maximum: {
          description: 'How many messages may be under way at once. Version 5. Default 1000.',
          type: 'integer',
          minimum: 1,
          maximum: 65_535,
          'x-expected': 'a whole number from 1 to 65,535',
        },
      },
      required: ['url', 'topic'],
      additionalProperties: false,
    },
    create: (options, context) => mqttSource(sourceOptionsOf(options, context)),
  },
  sink: {
    options: {
      type: 'object',
      description: 'Publishes each alert as a message, at least once.',
      properties: {
        ...connectionProperties,
        topic: {
          description: 'Where to: {rule}, {by.device} stand for fields of the alert.',
          ...text,
          examples: ['alerts/{rule}/{by.device}'],
        },
        qos: { description: 'How surely messages go: 1 or 2. Default 1.', enum: [1, 2] },
        retain: {
          description: 'Whether the broker keeps the last alert of each topic. Default false.',
          type: 'boolean',
        },
      },
      required: ['url', 'topic'],
      additionalProperties: false,
    },
    create: (options) =>
      new MQTTSink({
        connection: connectionOf(options),
        topic: parseTopicTemplate(options.topic as string),
        qos: options.qos === 2 ? 2 : 1,
        retain: options.retain === true,
      }),
  },
}

function sourceOptionsOf(options: ConnectorOptions, context: ConnectorContext): MQTTSourceOptions {
  const { topic, qos = 1, retained, receive_maximum: receiveMaximum = 1000 } = options
  const topics = typeof topic === 'string' ? [topic] : (topic as readonly string[])
  const filters = topics.map(parseTopicFilter)
  const { messages = 100_000, for: age = '1h' } = sectionOf(options.message_id)
  const connection = connectionOf(options)
  if (connection.version !== 5) {
    for (const keyword of ['session_expiry', 'receive_maximum']) {
      if (options[keyword] !== undefined) throw invalid(`${keyword} needs version 5`)
    }
  }
  return {
    connection,
    job: context.job ?? 'tocsin',
    message: {
      filters,
      format: options.format === 'text' ? 'text' : 'json',
      fields: fieldsOf(options),
      identity: identityOf(options, connection.version),
    },
    qos: qos as 0 | 1 | 2,
    takesRetained: retained !== 'leave',
    window: { messagesMax: messages as number, ageMaxMs: millisecondsOf(age) },
    sessionExpirySeconds: secondsOf(options, 'session_expiry', 7 * 86_400, 2 ** 32 - 2),
    receiveMaximum: receiveMaximum as number,
  }
}

function fieldsOf({ fields, format }: ConnectorOptions): MessageFormatOptions['fields'] {
  const given = sectionOf(fields) as Readonly<Record<string, string>>
  if (given.payload !== undefined && format !== 'text') {
    throw invalid('fields.payload needs `format: text`: the fields of JSON stand for themselves')
  }
  return { payload: 'value', ...given }
}

function identityOf(
  { message_id: given }: ConnectorOptions,
  version: 4 | 5,
): MessageIdentity | null {
  if (given === undefined) return null
  const { field, user_property: property } = sectionOf(given)
  if ((field === undefined) === (property === undefined)) {
    throw invalid('message_id needs either `field` or `user_property`')
  }
  if (field !== undefined) return { kind: 'field', path: (field as string).split('.') }
  if (version !== 5) throw invalid('message_id.user_property needs version 5')
  return { kind: 'user_property', name: property as string }
}

function sectionOf(value: unknown): Readonly<Record<string, unknown>> {
  return (value ?? {}) as Readonly<Record<string, unknown>>
}
