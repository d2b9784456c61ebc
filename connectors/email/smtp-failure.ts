import { ConnectorError } from '../../src/errors.ts'
import { printable } from '../../src/stream/printable-text.ts'
import type { Verdict } from '../write-each.ts'

/** What nodemailer's errors say. */
export interface SMTPError extends Error {
  readonly code?: string
  /** Of the server's answer. */
  readonly responseCode?: number
  /** What was asked when it failed. */
  readonly command?: string
  readonly recipient?: string
}

/** Answers by which a server says that it wants other credentials, or none of us for now. */
const awayResponses = new Set([421, 454, 530, 534, 535, 538])

/**
 * What a failure means for a mail: 5xx is final, 4xx is tried again, and what is no answer to this mail
 * (no connection, no TLS, no login) says that the server is away.
 * @param server its host, for the message
 * @param hide takes secrets out of what the server has said
 */
export function verdictOf(
  server: string,
  error: SMTPError,
  hide: (text: string) => string,
): Exclude<Verdict, { kind: 'taken' }> {
  const { code, responseCode } = error
  const isOfMail = code === 'EENVELOPE' || code === 'EMESSAGE' || code === 'ESTREAM'
  const isAway = !isOfMail || (responseCode !== undefined && awayResponses.has(responseCode))
  const said = printable(hide(error.message), 300)
  if (isAway) {
    const hint =
      code === 'EAUTH' ? '; check user and password' : code === 'ETLS' ? '; check `encryption`' : ''
    const message = `the mail server ${server} cannot be used: ${said}${hint}`
    return { kind: 'away', failure: failureOf(message, true, error) }
  }
  const retryable = responseCode !== undefined && responseCode < 500
  return {
    kind: 'refused',
    failure: failureOf(`the mail server ${server} refused the mail: ${said}`, retryable, error),
  }
}

/** Some recipients were refused and others have the mail. */
export function rejectedVerdict(
  server: string,
  errors: readonly SMTPError[],
  hide: (text: string) => string,
): Verdict {
  const retryable = errors.some(({ responseCode = 500 }) => responseCode < 500)
  const list = errors.map(({ recipient, message }) => `${recipient ?? 'one'}: ${message}`)
  const said = printable(hide(list.join('; ')), 500)
  const message = `the mail server ${server} refused some recipients, others have the mail: ${said}`
  return { kind: 'refused', failure: failureOf(message, retryable, undefined) }
}

function failureOf(message: string, retryable: boolean, cause: unknown): ConnectorError {
  return new ConnectorError('OUTPUT_UNWRITABLE', message, { retryable, cause })
}
