import type { ConnectorOptions, OptionProperty } from '../../src/connector/connector.ts'
import { TocsinError } from '../../src/errors.ts'
import { ConfluentFormat, type SchemaRegistryOptions } from './confluent-format.ts'
import { type Format, jsonFormat, textFormat } from './format.ts'

const text = { type: 'string', minLength: 1 }

/** The options of a source whose records may be written in several ways. */
export const formatOptions = {
  format: {
    description:
      'How records are written: json; text, which becomes `{"value": ...}`; or confluent: Avro or ' +
      'JSON with the number of a schema in front. Default json.',
    enum: ['json', 'text', 'confluent'],
  },
  schema_registry: {
    description: 'Where the schemas are, for `format: confluent`.',
    type: 'object',
    properties: {
      url: {
        description: 'Its address.',
        ...text,
        pattern: '^https?://',
        'x-expected': 'an address that begins with http:// or https://',
      },
      username: { description: 'The user, or API key.', ...text },
      password: { description: 'The password, or API secret.', ...text, writeOnly: true },
      ca: { description: 'Certificates of the authorities to trust, PEM: `file:ca.pem`.', ...text },
    },
    required: ['url'],
    dependentRequired: { username: ['password'], password: ['username'] },
    additionalProperties: false,
    examples: [{ url: 'http://localhost:8081' }],
  },
} as const satisfies Readonly<Record<string, OptionProperty>>

/**
 * What makes formats by options that `formatOptions` has accepted.
 * @throws {TocsinError} CONFIG_INVALID: a registry is missing, or nothing asks for it
 */
export function formatOf({ format, schema_registry: registry }: ConnectorOptions): () => Format {
  if ((format === 'confluent') !== (registry !== undefined)) {
    const message = 'format: confluent and schema_registry go together: give both or neither'
    throw new TocsinError('CONFIG_INVALID', message)
  }
  if (format === 'confluent') return () => new ConfluentFormat(registry as SchemaRegistryOptions)
  return () => (format === 'text' ? textFormat : jsonFormat)
}
