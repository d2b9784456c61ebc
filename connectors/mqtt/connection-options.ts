import type { ConnectorOptions, OptionProperty } from '../../src/connector/connector.ts'
import { durationExpected, durationPattern, parseDuration } from '../../src/connector/duration.ts'
import { TocsinError } from '../../src/errors.ts'

/** How a broker is reached. */
export interface ConnectionOptions {
  /** Without user and password. */
  readonly url: string
  /** As the protocol counts: 4 is 3.1.1. */
  readonly version: 4 | 5
  readonly clientId: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: TLSOptions
  readonly keepaliveSeconds: number
}

/** PEM texts, and the name that is expected in the broker's certificate. */
export interface TLSOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly servername?: string
}

const text = { type: 'string', minLength: 1 }
/** `writeOnly` marks what no message may show. */
const secret = { ...text, writeOnly: true }
/** Options that take a span of time. */
export const durationOption = {
  type: 'string',
  minLength: 1,
  pattern: durationPattern,
  'x-expected': durationExpected,
}

/** Options by which sources and sinks name their broker, and themselves to it. */
export const connectionProperties = {
  url: {
    description: 'The broker: mqtt, mqtts (TLS), ws or wss, and host and port.',
    type: 'string',
    pattern: '^(?:mqtts?|wss?)://[^/@?#]+(?:/[^@?#]*)?$',
    'x-expected': 'a URL such as `mqtts://broker:8883`, without user and password',
    examples: ['mqtt://localhost:1883', 'mqtts://broker.example.org:8883'],
  },
  version: {
    description: 'The protocol: 3.1.1 or 5. Default 5.',
    enum: ['3.1.1', 5],
    'x-expected': '3.1.1 or 5',
  },
  username: { description: 'The user that the broker knows.', ...text },
  password: { description: 'The password: refer to a variable or a file.', ...secret },
  client_id: { description: 'How this client calls itself to the broker.', ...text },
  tls: {
    description:
      'What TLS needs beyond the certificate authorities of the system. Certificates and keys are ' +
      'PEM texts: refer to a file with `file:PATH`.',
    type: 'object',
    properties: {
      ca: { description: 'Certificates of the authorities to trust.', ...text },
      cert: { description: 'The certificate that this client shows.', ...text },
      key: { description: 'The private key of that certificate.', ...secret },
      passphrase: { description: 'The passphrase of that key.', ...secret },
      server_name: { description: "The name to expect in the broker's certificate.", ...text },
    },
    additionalProperties: false,
    examples: [{ ca: 'file:ca.pem' }],
  },
  keepalive: {
    description:
      'A connection that is silent for so long is tried, and then given up. Default 60s.',
    ...durationOption,
  },
} as const satisfies Readonly<Record<string, OptionProperty>>

/**
 * How a broker is reached, by options that `connectionProperties` has accepted.
 * @throws {TocsinError} CONFIG_INVALID for what a schema cannot say
 */
export function connectionOf(options: ConnectorOptions): ConnectionOptions {
  const { url, version = 5, username, password, client_id: clientId } = options
  const tls = options.tls as Readonly<Record<string, string>> | undefined
  if (!URL.canParse(url as string)) throw invalid(`${url} is no URL`)
  const { ca, cert, key, passphrase, server_name: servername } = tls ?? {}
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid('tls.cert and tls.key go together: give both')
  }
  if (tls !== undefined && !/^(?:mqtts|wss):/.test(url as string)) {
    throw invalid('tls needs a url of mqtts:// or wss://')
  }
  if (password !== undefined && username === undefined) {
    throw invalid('a password needs a username')
  }
  return {
    url: url as string,
    version: version === 5 ? 5 : 4,
    clientId: clientId as string | undefined,
    username: username as string | undefined,
    password: password as string | undefined,
    tls: defined({ ca, cert, key, passphrase, servername }),
    keepaliveSeconds: secondsOf(options, 'keepalive', 60, 65_535),
  }
}

/**
 * Whole seconds of a duration, as the protocol counts.
 * @throws {TocsinError} CONFIG_INVALID
 */
export function secondsOf(
  options: ConnectorOptions,
  keyword: string,
  otherwise: number,
  max: number,
): number {
  if (options[keyword] === undefined) return otherwise
  const seconds = millisecondsOf(options[keyword]) / 1000
  if (Number.isInteger(seconds) && seconds <= max) return seconds
  throw invalid(`${keyword}: expected whole seconds, at most ${max}s, got ${options[keyword]}`)
}

/** Milliseconds of a duration that a schema has accepted. @throws {TocsinError} CONFIG_INVALID */
export function millisecondsOf(value: unknown): number {
  const duration = parseDuration(value)
  if ('ms' in duration) return duration.ms
  throw invalid(duration.problem)
}

export function invalid(reason: string): TocsinError {
  return new TocsinError('CONFIG_INVALID', `mqtt: ${reason}`)
}

/** The entries that have a value. */
function defined<Value>(
  values: Readonly<Record<string, Value | undefined>>,
): Record<string, Value> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Record<string, Value>
}
