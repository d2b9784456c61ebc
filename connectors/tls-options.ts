import { createSecureContext } from 'node:tls'
import type { OptionProperty } from '../src/connector/connector.ts'
import { TocsinError } from '../src/errors.ts'

const text = { type: 'string', minLength: 1 }
/** `writeOnly` marks what no message may show. */
const secret = { ...text, writeOnly: true }

/** How a client of TLS trusts and is trusted; PEM texts. */
export const tlsOptions = {
  ca: { description: 'Certificates of the authorities to trust.', ...text },
  cert: { description: 'The certificate that this client shows.', ...text },
  key: { description: 'The private key of that certificate.', ...secret },
  passphrase: { description: 'The passphrase of that key.', ...secret },
  server_name: { description: 'The name to expect in the certificate of the server.', ...text },
} as const satisfies Readonly<Record<string, OptionProperty>>

/** What Node's `tls` takes of these options. */
export interface TLSSettings {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly servername?: string
}

/**
 * @param connector whose options they are, for the message
 * @throws {TocsinError} CONFIG_INVALID: a text is no PEM, or a key does not fit
 */
export function tlsSettingsOf(
  connector: string,
  options: Readonly<Record<string, unknown>> = {},
): TLSSettings {
  const { server_name: servername, ...others } = options
  const settings: TLSSettings = servername === undefined ? others : { ...others, servername }
  try {
    createSecureContext(settings)
  } catch (error) {
    const message = `${connector}: tls: ${(error as Error).message}; expected PEM texts`
    throw new TocsinError('CONFIG_INVALID', message)
  }
  return settings
}
