import type { OptionProperty } from '../../src/connector/connector.ts'
import type { JsonValue } from '../../src/stream/alert.ts'
import { encodeFields } from '../record-fields.ts'
import type { RecordCursor } from './record-cursor.ts'

/** What Kafka knows of a record beside its value. */
const descriptions = {
  topic: 'The topic.',
  partition: 'The partition of the topic, a number.',
  offset: 'The offset, a number.',
  timestamp: 'The time of producer or broker, epoch milliseconds.',
  key: 'The key, a text; null: there is none.',
  headers: 'The headers, a map; a name that occurs several times has a list.',
} as const
type MetadataName = keyof typeof descriptions
const metadataNames = Object.keys(descriptions) as MetadataName[]

/** The fields that are appended to events, by what they hold. */
export type MetadataFields = Readonly<Partial<Record<MetadataName, string>>>

/** The option that asks for fields. */
export const metadataOption: OptionProperty = {
  description:
    'What Kafka knows of a record, as fields of the event: which, and under what names. ' +
    'They stand for fields of the same names in the record.',
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(descriptions).map(([name, description]) => {
      return [name, { description, type: 'string', minLength: 1, examples: [`kafka_${name}`] }]
    }),
  ),
  minProperties: 1,
  additionalProperties: false,
  examples: [{ key: 'kafka_key', timestamp: 'kafka_time' }],
}

/** Fields of a record as they are appended to its JSON text. */
export function metadataOf(
  fields: MetadataFields,
  origin: { readonly topic: string; readonly partition: number },
  bytes: Buffer,
  cursor: RecordCursor,
): Buffer {
  const values: Record<string, JsonValue> = {}
  for (const name of metadataNames) {
    const field = fields[name]
    if (field !== undefined) values[field] = valueOf(name, origin, bytes, cursor)
  }
  return encodeFields(values)
}

function valueOf(
  name: MetadataName,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  bytes: Buffer,
  cursor: RecordCursor,
): JsonValue {
  switch (name) {
    case 'topic':
      return topic
    case 'partition':
      return partition
    case 'offset':
      return cursor.offset
    case 'timestamp':
      return cursor.timestamp < 0 ? null : cursor.timestamp
    case 'key':
      return cursor.keyEnd < 0 ? null : textOf(bytes.subarray(cursor.keyStart, cursor.keyEnd))
    case 'headers':
      return headersOf(cursor)
  }
}

/** A name that occurs several times has a list. */
function headersOf(cursor: RecordCursor): JsonValue {
  const headers = new Map<string, JsonValue>()
  for (const [name, bytes] of cursor.headers()) {
    const value = bytes === null ? null : textOf(bytes)
    const before = headers.get(name)
    if (before === undefined) headers.set(name, value)
    else headers.set(name, [...(Array.isArray(before) ? before : [before]), value])
  }
  return Object.fromEntries(headers)
}

/** UTF-8 as text; other bytes as `{"base64": "..."}`, which no text can be taken for. */
function textOf(bytes: Buffer): JsonValue {
  const text = bytes.toString('utf8')
  const isText = !text.includes('\ufffd') || Buffer.from(text).equals(bytes)
  return isText ? text : { base64: bytes.toString('base64') }
}
