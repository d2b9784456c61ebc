import { validateHeaderName, validateHeaderValue } from 'node:http'
import { isIP } from 'node:net'
import type { Connector, ConnectorOptions } from '../../src/connector/connector.ts'
import { TocsinError } from '../../src/errors.ts'
import {
  deliveryOptions,
  deliveryPolicyOf,
  durationOption,
  positiveMs,
} from '../delivery-options.ts'
import { tlsOptions, tlsSettingsOf } from '../tls-options.ts'
import { guardedLookup, type Resolve } from './guarded-lookup.ts'
import { hostOf } from './http-client.ts'
import { isPublicAddress } from './public-address.ts'
import { signingKeyOf } from './signature.ts'
import { WebhookSink } from './sink.ts'

/** Alerts to an HTTP endpoint. */
export const webhookConnector: Connector = {
  name: 'webhook',
  sink: {
    options: {
      type: 'object',
      description:
        'Posts each alert as JSON to a URL, at least once, with its id as `Idempotency-Key`. Redirects ' +
        'are not followed; addresses of private networks are refused.',
      properties: {
        url: {
          description: 'Where to; `https`, or `http` with `allow_private`.',
          type: 'string',
          minLength: 1,
          writeOnly: true,
          examples: ['https://alerts.example.org/tocsin'],
        },
        format: {
          description: 'The body: the alert document, or a message for Slack. Default `json`.',
          enum: ['json', 'slack'],
        },
        method: { description: 'The method; default `POST`.', enum: ['POST', 'PUT', 'PATCH'] },
        headers: {
          description: 'Headers to send, by name; values are never shown.',
          type: 'object',
          additionalProperties: { type: 'string', minLength: 1, writeOnly: true },
          examples: [{ authorization: 'Bearer ...' }],
        },
        signing_secret: {
          description:
            'Signs each request as Standard Webhooks say (webhook-id, webhook-timestamp, ' +
            'webhook-signature). A secret that begins with `whsec_` is base64.',
          type: 'string',
          minLength: 16,
          writeOnly: true,
        },
        timeout: {
          description: 'From the request to the end of its answer; default `10s`.',
          ...durationOption,
          examples: ['10s'],
        },
        connections: {
          description: 'Requests under way at a time; default 4.',
          type: 'integer',
          minimum: 1,
          maximum: 100,
        },
        allow_private: {
          description:
            'Whether the URL may lead into private networks or to this machine, and be plain `http`. ' +
            'Default false.',
          type: 'boolean',
        },
        tls: {
          description: 'Certificates, as PEM texts: refer to a file with `file:PATH`.',
          type: 'object',
          properties: tlsOptions,
          additionalProperties: false,
        },
        ...deliveryOptions,
      },
      required: ['url'],
      additionalProperties: false,
    },
    create: (options) => createWebhookSink(options),
  },
}

/** @param resolve asks for the addresses of hosts; default: the system's resolver */
export function createWebhookSink(options: ConnectorOptions, resolve?: Resolve): WebhookSink {
  const { format, method, connections, timeout, allow_private, signing_secret, tls } = options
  const allowPrivate = allow_private === true
  const url = urlOf(options.url as string, allowPrivate)
  const headers = headersOf((options.headers ?? {}) as Readonly<Record<string, string>>)
  const secret = signing_secret as string | undefined
  const settings = tlsSettingsOf('webhook', tls as ConnectorOptions | undefined)
  return new WebhookSink({
    url,
    format: format === 'slack' ? 'slack' : 'json',
    method: (method as string | undefined) ?? 'POST',
    headers,
    signingKey: secret === undefined ? null : signingKeyOf(secret),
    tls: settings,
    timeoutMs: timeout === undefined ? 10_000 : positiveMs('timeout', timeout),
    connectionsMax: (connections as number | undefined) ?? 4,
    lookup: allowPrivate ? null : guardedLookup(resolve),
    policy: deliveryPolicyOf(options),
    secrets: [
      url.href,
      ...(url.pathname === '/' ? [] : [url.pathname + url.search]),
      ...Object.values(headers),
      ...(secret === undefined ? [] : [secret]),
    ],
  })
}

/** Paths of webhooks are passwords: no message shows the URL. */
function urlOf(text: string, allowPrivate: boolean): URL {
  if (!URL.canParse(text))
    throw invalid('url is no URL; write one such as https://example.org/hook')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(`url begins with ${url.protocol}, expected https:`)
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('url has a user or a password in it: use `headers` with `authorization`')
  }
  if (allowPrivate) return url
  if (url.protocol === 'http:') {
    throw invalid(
      'url is plain http, which anybody on the way can read: use https, or `allow_private`',
    )
  }
  const host = hostOf(url)
  if (isIP(host) !== 0 && !isPublicAddress(host)) {
    throw invalid(`url leads to ${host}, no address of the public internet: set \`allow_private\``)
  }
  return url
}

/** Those that are ours, or that say where a message ends. */
const reservedHeaders =
  /^(?:host|content-(?:length|type|encoding)|transfer-encoding|connection|te|trailer|upgrade|expect|keep-alive|idempotency-key|webhook-.*)$/i

function headersOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    if (reservedHeaders.test(name)) throw invalid(`the header ${name} cannot be set`)
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      throw invalid(`the header ${JSON.stringify(name)} has a name or a value that HTTP forbids`)
    }
  }
  return { ...headers }
}

function invalid(message: string): TocsinError {
  return new TocsinError('CONFIG_INVALID', `webhook: ${message}`)
}
