import { TocsinError } from '../../src/errors.ts'

/** Where mails are handed in. */
export interface SMTPServer {
  readonly host: string
  readonly port: number
  /** TLS from the first byte, as `smtps:` says. */
  readonly secure: boolean
  readonly user: string | null
  readonly password: string | null
}

/**
 * Reads `smtp://user:password@host:587` or `smtps://…`. No message shows the text: it has a password.
 * @throws {TocsinError} CONFIG_INVALID
 */
export function smtpServerOf(text: string): SMTPServer {
  const expected =
    'expected smtp://host:587 or smtps://host, with user:password@ where it wants them'
  if (!URL.canParse(text)) throw invalid(`smtp is no URL: ${expected}`)
  const { protocol, hostname, port, username, password, pathname, search } = new URL(text)
  if ((protocol !== 'smtp:' && protocol !== 'smtps:') || hostname === '') {
    throw invalid(`smtp begins with ${protocol}: ${expected}`)
  }
  if (search !== '' || (pathname !== '' && pathname !== '/')) {
    throw invalid(`smtp has something behind its host: ${expected}`)
  }
  if ((username === '') !== (password === '')) {
    throw invalid('smtp has a user or a password, and not both')
  }
  const secure = protocol === 'smtps:'
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    user: username === '' ? null : decoded(username),
    password: password === '' ? null : decoded(password),
  }
}

/** Whether a host is this machine, to which nobody listens on the way. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('smtp has a `%` in its user or password that is no escape: write it as %25')
  }
}

function invalid(message: string): TocsinError {
  return new TocsinError('CONFIG_INVALID', `email: ${message}`)
}
