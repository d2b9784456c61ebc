import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import type { ConnectorOptions, OptionProperty } from '../../src/connector/connector.ts'

/** What every Kafka client is told, whatever it does. */
export interface ClientOptions {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Undefined: plain text. */
  readonly tls: KafkaConfig['ssl']
  readonly sasl: SASLOptions | undefined
}

const text = { type: 'string', minLength: 1 }
/** What is write-only is shown by no message. */
const secret = { ...text, writeOnly: true }

/** The options of `ClientOptions`, for the option schemas of source and sink. */
export const clientOptionProperties: Readonly<Record<string, OptionProperty>> = {
  brokers: {
    description:
      'Addresses of some brokers of the cluster, `host:port`; the others are found by them.',
    type: 'array',
    minItems: 1,
    items: {
      type: 'string',
      pattern: '^[^\\s:/]+:\\d{1,5}$|^\\[[0-9a-fA-F:]+\\]:\\d{1,5}$',
      'x-expected': '`host:port`, such as `localhost:9092`',
    },
    'x-expected': 'a list of `host:port`',
    examples: [['localhost:9092']],
  },
  client_id: {
    description: "The name in the brokers' logs and quotas; default `tocsin`.",
    ...text,
    examples: ['tocsin'],
  },
  tls: {
    description:
      'Encrypts the connection. Without `ca` the certificates of this machine are trusted.',
    type: 'object',
    properties: {
      ca: {
        description: 'Certificates to trust, PEM: `file:ca.pem`.',
        ...text,
        examples: ['file:ca.pem'],
      },
      certificate: {
        description: 'The certificate that shows who we are, PEM.',
        ...text,
        examples: ['file:client.pem'],
      },
      key: {
        description: 'The private key of `certificate`, PEM.',
        ...secret,
        examples: ['file:client.key'],
      },
      passphrase: {
        description: 'Of the private key.',
        ...secret,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference, as users write it.
        examples: ['${KEY_PASSPHRASE}'],
      },
      server_name: {
        description: 'The name that the certificate of the broker must have; default: its host.',
        ...text,
        examples: ['kafka.example.org'],
      },
    },
    dependentRequired: { certificate: ['key'], key: ['certificate'], passphrase: ['key'] },
    additionalProperties: false,
    examples: [{ ca: 'file:ca.pem' }],
  },
  sasl: {
    description:
      'Says who we are by name and password. Use it with `tls`: `plain` sends the password.',
    type: 'object',
    properties: {
      mechanism: {
        description: 'How the password is proven.',
        enum: ['plain', 'scram-sha-256', 'scram-sha-512'],
        examples: ['scram-sha-512'],
      },
      username: { description: 'The name.', ...text, examples: ['tocsin'] },
      password: {
        description: 'The password.',
        ...secret,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference, as users write it.
        examples: ['${KAFKA_PASSWORD}'],
      },
    },
    required: ['mechanism', 'username', 'password'],
    additionalProperties: false,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference, as users write it.
    examples: [{ mechanism: 'scram-sha-512', username: 'tocsin', password: '${KAFKA_PASSWORD}' }],
  },
}

/** Those of options that their schema has accepted. */
export function clientOptionsOf(options: ConnectorOptions): ClientOptions {
  const tls = options.tls as Readonly<Record<string, string>> | undefined
  return {
    brokers: options.brokers as readonly string[],
    clientId: (options.client_id as string | undefined) ?? 'tocsin',
    tls:
      tls === undefined
        ? undefined
        : {
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
            ...(tls.server_name === undefined ? {} : { servername: tls.server_name }),
          },
    sasl: options.sasl as SASLOptions | undefined,
  }
}

/**
 * A client. It says nothing by itself, and gives up a request after some seconds: what is tried for
 * how long is decided, and told, by who calls it.
 */
export function kafkaClient({ brokers, clientId, tls, sasl }: ClientOptions): Kafka {
  return new Kafka({
    brokers: [...brokers],
    clientId,
    connectionTimeout: 5000,
    authenticationTimeout: 10_000,
    requestTimeout: 30_000,
    retry: clientRetry,
    logLevel: logLevel.NOTHING,
    ...(tls === undefined ? {} : { ssl: tls }),
    // A copy: kafkajs writes a login with this password into it, which copies of it would keep.
    ...(sasl === undefined ? {} : { sasl: { ...sasl } }),
  })
}

/** Up to some four seconds: enough for a coordinator that moves or is not awake yet. */
export const clientRetry = {
  initialRetryTime: 20,
  multiplier: 2,
  factor: 0.2,
  maxRetryTime: 1000,
  retries: 9,
} as const
