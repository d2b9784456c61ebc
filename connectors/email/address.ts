import { TocsinError } from '../../src/errors.ts'

/** A mailbox as nodemailer takes it: in parts, so that no text of one can become another. */
export interface Mailbox {
  readonly name: string
  readonly address: string
}

/**
 * Reads `ops@example.org` or `Operations <ops@example.org>`.
 * @throws {TocsinError} CONFIG_INVALID
 */
export function mailboxOf(option: string, text: string): Mailbox {
  const named = /^(.*)<([^<>]*)>$/.exec(text.trim())
  const name = (named?.[1] ?? '').trim().replace(/^"(.*)"$/, '$1')
  const address = (named?.[2] ?? text).trim()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  const isPlain = !/[\u0000-\u001f\u007f<>"]/.test(name)
  if (isPlain && /^[^\s<>@,;:"()[\]\\]+@[^\s<>@,;:"()[\]\\]+$/.test(address)) {
    return { name, address }
  }
  const message = `email: ${option}: ${JSON.stringify(text)} is no address; write ops@example.org or Operations <ops@example.org>`
  throw new TocsinError('CONFIG_INVALID', message)
}

/** What follows the `@`. */
export function domainOf({ address }: Mailbox): string {
  return address.slice(address.lastIndexOf('@') + 1)
}
