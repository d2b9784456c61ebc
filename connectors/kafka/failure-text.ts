/** What went wrong with brokers, in words of which no part is a secret. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // kafkajs wraps the last failure of its attempts.
  const { cause } = error
  const inner = error.name === 'KafkaJSNumberOfRetriesExceeded' && cause instanceof Error
  const { message } = inner ? cause : error
  return message === '' ? error.name : message.replace(/^Connection error: /, '')
}
