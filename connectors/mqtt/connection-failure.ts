/** Why a broker could not be used, for people: no part of it is a secret. */
export function reasonOf(error: Error): string {
  const { code } = error as { code?: unknown }
  const known = texts.get(code as number | string)
  if (known !== undefined) return known
  // An error of several attempts (IPv4 and IPv6) has its reasons within.
  const inner = error instanceof AggregateError ? (error.errors[0] as Error) : error
  return inner.message === '' ? inner.name : inner.message
}

/** Whether the same will fail again until somebody changes the configuration, or the broker's. */
export function isForGood(error: Error): boolean {
  const { code } = error as { code?: unknown }
  return refusals.has(code as number) || certificateFault.test(String(code))
}

const identity = 'the broker refuses this client_id; choose another one'
const credentials = 'the broker refuses user or password'
const forbidden = 'this user is not allowed to do it'
const protocol = 'the broker does not speak this version of MQTT; set `version: 3.1.1`'

/** What brokers answer, by the codes of both versions, and what systems say. */
const texts: ReadonlyMap<number | string, string> = new Map<number | string, string>([
  [1, protocol],
  [132, protocol],
  [2, identity],
  [133, identity],
  [4, credentials],
  [134, credentials],
  [5, forbidden],
  [135, forbidden],
  [3, 'the broker is not ready'],
  [136, 'the broker is not ready'],
  [137, 'the broker is busy'],
  [138, 'the broker has banned this client'],
  [139, 'the broker is shutting down'],
  [141, 'the broker has heard nothing for too long'],
  [
    142,
    'another client has connected with the same client_id: two jobs, or two streams, need two of them',
  ],
  [143, 'the broker takes no such topic filter'],
  [144, 'the broker takes no such topic'],
  [147, 'more messages are under way than were agreed on; set receive_maximum'],
  [149, 'it is larger than the broker takes'],
  [151, 'a quota of the broker is used up'],
  [155, 'the broker takes no such QoS; set a lower `qos`'],
  [158, 'the broker has no shared subscriptions'],
  [162, 'the broker has no wildcard subscriptions'],
  ['ECONNREFUSED', 'nobody listens there'],
  ['ENOTFOUND', 'there is no such host'],
  ['ETIMEDOUT', 'it does not answer'],
  ['ECONNRESET', 'the connection was cut'],
])

const refusals: ReadonlySet<number> = new Set([
  ...[1, 2, 4, 5, 132, 133, 134, 135, 138, 140, 143, 144, 155, 158, 162],
])

const certificateFault =
  /^(?:ERR_TLS_CERT|ERR_SSL|ERR_OSSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(?:GET|VERIFY))/
