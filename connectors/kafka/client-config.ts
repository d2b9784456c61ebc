import type { KafkaConfig, SASLOptions } from 'kafkajs'
import type { ConnectorOptions, OptionProperty } from '../../src/connector/connector.ts'
import { TocsinError } from '../../src/errors.ts'

/** How brokers are reached, as kafkajs takes it. */
export interface KafkaClientConfig {
  readonly brokers: string[]
  readonly clientId: string
  readonly ssl: NonNullable<KafkaConfig['ssl']>
  readonly sasl: SASLOptions | undefined
}

const text = { type: 'string', minLength: 1 }
/** `writeOnly` marks what no message may show. */
const secret = { ...text, writeOnly: true }

/** Options by which sources and sinks name brokers, and themselves to them. */
export const clientOptions = {
  brokers: {
    description: 'Brokers to begin with, as host:port; the others are found through them.',
    type: 'array',
    minItems: 1,
    items: { ...text, pattern: '^(.+):\\d{1,5}$', 'x-expected': 'host:port' },
    examples: [['localhost:9092']],
  },
  client_id: {
    description: "How this process calls itself in the brokers' logs and quotas. Default tocsin.",
    ...text,
  },
  tls: {
    description:
      'Encrypts connections. True trusts the certificate authorities of the system; a map names ' +
      'others. Certificates and keys are PEM texts: refer to a file with `file:PATH`.',
    type: ['boolean', 'object'],
    properties: {
      ca: { description: 'Certificates of the authorities to trust.', ...text },
      cert: { description: 'The certificate that this client shows.', ...text },
      key: { description: 'The private key of that certificate.', ...secret },
      passphrase: { description: 'The passphrase of that key.', ...secret },
      server_name: { description: 'The name to expect in the certificates of brokers.', ...text },
    },
    additionalProperties: false,
    examples: [true, { ca: 'file:ca.pem' }],
  },
  sasl: {
    description: 'How this client says who it is: use it with tls, or the password travels openly.',
    type: 'object',
    properties: {
      mechanism: {
        description: 'The mechanism.',
        enum: ['plain', 'scram-sha-256', 'scram-sha-512'],
      },
      username: { description: 'The user.', ...text },
      password: { description: 'The password: refer to a variable or a file.', ...secret },
    },
    required: ['mechanism', 'username', 'password'],
    additionalProperties: false,
  },
} as const satisfies Readonly<Record<string, OptionProperty>>

/**
 * The configuration of a client by options that `clientOptions` has accepted.
 * @throws {TocsinError} CONFIG_INVALID for a certificate without its key, or a key without it
 */
export function clientConfig(options: ConnectorOptions): KafkaClientConfig {
  const { brokers, client_id: clientId = 'tocsin', sasl } = options
  return {
    brokers: [...(brokers as readonly string[])],
    clientId: clientId as string,
    ssl: tlsOf(options.tls as boolean | TlsOptions | undefined),
    sasl: sasl as SASLOptions | undefined,
  }
}

interface TlsOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly server_name?: string
}

function tlsOf(tls: boolean | TlsOptions = false): KafkaClientConfig['ssl'] {
  if (typeof tls === 'boolean') return tls
  const { ca, cert, key, passphrase, server_name: servername } = tls
  if ((cert === undefined) !== (key === undefined)) {
    throw new TocsinError('CONFIG_INVALID', 'kafka: tls.cert and tls.key go together: give both')
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(servername === undefined ? {} : { servername }),
  }
}

/** What went wrong with brokers, in words of which no part is a secret. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // kafkajs wraps the last failure of its attempts.
  const { cause } = error
  const inner = error.name === 'KafkaJSNumberOfRetriesExceeded' && cause instanceof Error
  const { message } = inner ? cause : error
  return message === '' ? error.name : message.replace(/^Connection error: /, '')
}
