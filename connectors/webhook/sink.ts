import type { DeliveryPolicy, Sink } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { printable } from '../../src/stream/printable-text.ts'
import { parseAlert } from '../alert-document.ts'
import { type Verdict, writeEach } from '../write-each.ts'
import { verdictOf } from './answer.ts'
import { PrivateAddressError } from './guarded-lookup.ts'
import { HTTPClient, type HTTPClientOptions } from './http-client.ts'
import { signatureHeaders } from './signature.ts'
import { slackPayload } from './slack-payload.ts'

export interface WebhookSinkOptions extends HTTPClientOptions {
  readonly format: 'json' | 'slack'
  readonly headers: Readonly<Record<string, string>>
  /** `null`: requests are not signed. */
  readonly signingKey: Buffer | null
  readonly policy: DeliveryPolicy
  /** What no message may show. */
  readonly secrets: readonly string[]
}

/**
 * A sink that posts each alert to a URL. What is taken is marked by the answer alone, so an alert may
 * come again with the same `Idempotency-Key`.
 */
export class WebhookSink implements Sink {
  readonly policy: DeliveryPolicy
  readonly #options: WebhookSinkOptions
  readonly #client: HTTPClient

  constructor(options: WebhookSinkOptions) {
    this.#options = options
    this.policy = options.policy
    this.#client = new HTTPClient(options)
  }

  /** An endpoint that is away is found out by the first alert. */
  async open(): Promise<void> {}

  async write(documents: readonly string[], ids: readonly string[] = []): Promise<void> {
    await writeEach(documents.length, this.#options.connectionsMax, (index) =>
      this.#send(documents[index] as string, ids[index]),
    )
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  async checkConnection(): Promise<void> {
    try {
      await this.#client.connect()
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  async #send(document: string, id: string | undefined): Promise<Verdict> {
    const { format, headers, signingKey } = this.#options
    const body = format === 'slack' ? slackPayload(parseAlert(document)) : document
    const now = Date.now()
    try {
      const answer = await this.#client.send(body, {
        'user-agent': 'tocsin',
        ...headers,
        'content-type': 'application/json; charset=utf-8',
        ...(id === undefined ? {} : { 'idempotency-key': id }),
        ...(id === undefined || signingKey === null
          ? {}
          : signatureHeaders(signingKey, id, now, body)),
      })
      return verdictOf(this.#target(), answer, (text) => this.#hide(text), now)
    } catch (error) {
      return { kind: 'away', failure: this.#unreachable(error) }
    }
  }

  /** The host alone: paths of webhooks are passwords, as Slack's. */
  #target(): string {
    return `the webhook ${this.#options.url.protocol}//${this.#options.url.host}`
  }

  #unreachable(error: unknown): ConnectorError {
    const { message, code } = error as NodeJS.ErrnoException
    const reason = printable(this.#hide(message || String(code ?? error)), 300)
    const refused = error instanceof PrivateAddressError
    const text = refused
      ? `${this.#target()} is not permitted: ${reason}`
      : `${this.#target()} cannot be reached: ${reason}`
    return new ConnectorError('OUTPUT_UNWRITABLE', text, { retryable: true, cause: error })
  }

  #hide(text: string): string {
    return this.#options.secrets.reduce(
      (hidden, secret) => hidden.replaceAll(secret, '[secret]'),
      text,
    )
  }
}
