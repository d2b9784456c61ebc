import { createHmac } from 'node:crypto'

/** The key of a signing secret: base64 behind `whsec_`, as others give it out; else its UTF-8. */
export function signingKeyOf(secret: string): Buffer {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64')
}

/**
 * The headers by which a receiver knows who has sent a body, and when: those of the Standard Webhooks
 * specification, for which there are libraries.
 */
export function signatureHeaders(
  key: Buffer,
  id: string,
  epochMs: number,
  body: string,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(epochMs / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
}
