import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import type { JsonValue } from '../../src/stream/alert.ts'
import type { RecordFault } from '../../src/stream/record-batch.ts'
import { appendFields, encodeFields } from '../record-fields.ts'
import type { IncomingMessage } from './connection.ts'
import type { TopicFilter } from './topic-filter.ts'

/** How messages become records. */
export interface MessageFormatOptions {
  readonly filters: readonly TopicFilter[]
  readonly format: 'json' | 'text'
  /** Names of the fields that hold what is not in a JSON payload. */
  readonly fields: {
    /** The payload, with format text. */
    readonly payload: string
    readonly topic?: string
    readonly retained?: string
    readonly received?: string
  }
  /** Where the producer says which message it is. */
  readonly identity: MessageIdentity | null
}

/** A field of a JSON payload, its path in names, or a user property of version 5. */
export type MessageIdentity =
  | { readonly kind: 'field'; readonly path: readonly string[] }
  | { readonly kind: 'user_property'; readonly name: string }

/** A message as a record; with a fault its bytes are those of the payload, or the first of them. */
export interface MessageRecord {
  readonly bytes: Buffer
  readonly fault?: RecordFault
}

/** Makes records of messages: the payload's fields, and those that the topic and the broker give. */
export class MessageFormat {
  readonly #options: MessageFormatOptions
  /** Topics come again and again. */
  readonly #levels = new Map<string, Readonly<Record<string, string>> | undefined>()

  constructor(options: MessageFormatOptions) {
    this.#options = options
  }

  /** Whether the topic is one that was asked for: a session may still hold others. */
  takes(topic: string): boolean {
    return this.#levelsOf(topic) !== undefined
  }

  /** @param now when it came, epoch ms */
  recordOf(message: IncomingMessage, now: number): MessageRecord {
    const { topic, payload } = message
    if (payload.length > payloadBytesMax) {
      const reason = `${topic}: a payload of more than 16 MiB; only its first ${keptBytes} bytes are kept`
      return { bytes: payload.subarray(0, keptBytes), fault: { cause: 'too_long', reason } }
    }
    const { fields, format } = this.#options
    const more = {
      ...this.#levelsOf(topic),
      ...named(fields.topic, topic),
      ...named(fields.retained, message.retained),
      ...named(fields.received, now),
    }
    if (format === 'text') {
      if (!isUtf8(payload)) return faulty(payload, `${topic}: the payload is not UTF-8`)
      const record = { [fields.payload]: payload.toString(), ...more }
      return { bytes: Buffer.from(JSON.stringify(record)) }
    }
    const result = appendFields(payload, encodeFields(more))
    if (result.kind === 'record') return { bytes: result.bytes }
    return faulty(payload, `${topic}: ${result.reason}`)
  }

  /**
   * Which message it is, among those of its topic; undefined: the producer does not say. Of equal
   * length whatever the producer takes for an id, so that what is remembered stays small.
   */
  identityOf(message: IncomingMessage): string | undefined {
    const { identity } = this.#options
    if (identity === null || message.payload.length > payloadBytesMax) return undefined
    const given =
      identity.kind === 'field'
        ? valueAt(message.payload, identity.path)
        : message.userProperties[identity.name]
    if (typeof given !== 'string' && typeof given !== 'number') return undefined
    return hash('sha256', `${message.topic}\0${JSON.stringify(given)}`, 'base64').slice(0, 22)
  }

  #levelsOf(topic: string): Readonly<Record<string, string>> | undefined {
    if (this.#levels.has(topic)) return this.#levels.get(topic)
    if (this.#levels.size >= topicsMax) this.#levels.clear()
    let levels: Readonly<Record<string, string>> | undefined
    for (const filter of this.#options.filters) levels ??= filter.levelsOf(topic)
    this.#levels.set(topic, levels)
    return levels
  }
}

const payloadBytesMax = 16 * 1024 * 1024
/** So much of what is too long is kept, for whoever looks into it. */
const keptBytes = 1024
const topicsMax = 10_000

function named(name: string | undefined, value: JsonValue): Readonly<Record<string, JsonValue>> {
  return name === undefined ? {} : { [name]: value }
}

function faulty(payload: Buffer, reason: string): MessageRecord {
  return { bytes: payload, fault: { cause: 'format', reason } }
}

/** The value at a path of a JSON payload; undefined: it is none, or has nothing there. */
function valueAt(payload: Buffer, path: readonly string[]): unknown {
  let value: unknown
  try {
    value = JSON.parse(payload.toString())
  } catch {
    // What is no JSON becomes a dead letter; here it only has no identity.
    return undefined
  }
  for (const name of path) {
    const isMap = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    if (!isMap) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return value
}
