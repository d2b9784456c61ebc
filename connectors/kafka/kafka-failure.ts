import { ConnectorError, type ErrorCode } from '../../src/errors.ts'
import { failureText } from './failure-text.ts'

/**
 * What a Kafka client has failed with, as an error of a connector. Most failures pass: brokers come
 * back, coordinators move. What needs a hand is not tried again. A failure of another kind, such as
 * a mistake of ours, is given back as it is.
 * @param what begins the message, such as `cannot write to the topic alerts at localhost:9092`
 */
export function kafkaFailure(code: ErrorCode, what: string, cause: unknown): unknown {
  if (cause instanceof ConnectorError || !isOfClient(cause)) return cause
  const type = protocolErrorOf(cause)
  const cure = cureOf(type, cause)
  const message = `${what}: ${failureText(cause)}${cure === undefined ? '' : `; ${cure}`}`
  return new ConnectorError(code, message, { cause, retryable: cure === undefined })
}

/** The name that Kafka's protocol gives to what was refused; undefined: it was not the broker. */
export function protocolErrorOf(failure: unknown): string | undefined {
  for (let error = failure; error instanceof Error; error = error.cause) {
    const { type } = error as { type?: unknown }
    if (typeof type === 'string') return type
  }
  return undefined
}

/** What a person has to do; undefined: it may pass. */
function cureOf(type: string | undefined, failure: unknown): string | undefined {
  if (type !== undefined) return cures.get(type)
  for (let error = failure; error instanceof Error; error = error.cause) {
    if (error.name === 'KafkaJSSASLAuthenticationError') return cures.get('SASL')
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && /CERT|SIGNATURE|^ERR_(?:TLS|SSL|OSSL)/.test(code)) {
      return 'correct `tls`'
    }
  }
  return undefined
}

const permit = 'grant it with kafka-acls'

const cures: ReadonlyMap<string, string> = new Map([
  ['SASL', 'correct `sasl`'],
  ['SASL_AUTHENTICATION_FAILED', 'correct `sasl`'],
  ['UNSUPPORTED_SASL_MECHANISM', 'choose another `sasl.mechanism`'],
  ['ILLEGAL_SASL_STATE', 'the listener wants no `sasl`, or wants it'],
  ['TOPIC_AUTHORIZATION_FAILED', permit],
  ['GROUP_AUTHORIZATION_FAILED', permit],
  ['CLUSTER_AUTHORIZATION_FAILED', permit],
  ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', permit],
  ['INVALID_TOPIC_EXCEPTION', 'choose another name'],
  ['INVALID_TRANSACTION_TIMEOUT', 'lower `transaction_timeout`'],
  ['UNSUPPORTED_VERSION', 'this version of Kafka is not supported'],
  ['POLICY_VIOLATION', 'create the topic by hand'],
])

function isOfClient(failure: unknown): boolean {
  if (!(failure instanceof Error)) return false
  const { name, code } = failure as NodeJS.ErrnoException
  // A mistake in code comes wrapped too: the client takes every error of a call for its own.
  if (failure.cause instanceof TypeError || failure.cause instanceof RangeError) return false
  return name.startsWith('KafkaJS') || typeof code === 'string'
}
