import type { SentMessageInfo, Transporter } from 'nodemailer'
import type { DeliveryPolicy, Sink } from '../../src/connector/sink.ts'
import { PartialWriteError } from '../../src/connector/sink.ts'
import { parseAlert } from '../alert-document.ts'
import type { TLSSettings } from '../tls-options.ts'
import { type Verdict, writeEach } from '../write-each.ts'
import { domainOf, type Mailbox } from './address.ts'
import { type Mail, writeMail } from './mail.ts'
import type { MailTemplates } from './mail-templates.ts'
import { rejectedVerdict, type SMTPError, verdictOf } from './smtp-failure.ts'
import type { SMTPServer } from './smtp-server.ts'

export interface EmailSinkOptions {
  readonly server: SMTPServer
  readonly encryption: 'required' | 'opportunistic' | 'none'
  readonly tls: TLSSettings
  readonly timeoutMs: number
  readonly connectionsMax: number
  readonly from: Mailbox
  readonly replyTo: Mailbox | null
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly bcc: readonly Mailbox[]
  readonly templates: MailTemplates
  readonly policy: DeliveryPolicy
  /** What no message may show. */
  readonly secrets: readonly string[]
}

/** Mails that some recipients have and others not yet, of which that is remembered. */
const partlySentMax = 10_000

/**
 * A sink that mails alerts, one at a time or in digests. SMTP knows no transaction with our state, so a
 * mail may come again, with the same Message-ID.
 */
export class EmailSink implements Sink {
  readonly policy: DeliveryPolicy
  readonly #options: EmailSinkOptions
  #transport: Promise<Transporter> | null = null
  /** Message-ID → who has it already, of mails that were taken for some. */
  readonly #partlySent = new Map<string, ReadonlySet<string>>()

  constructor(options: EmailSinkOptions) {
    this.#options = options
    this.policy = options.policy
  }

  /** A server that is away is found out by the first mail. */
  async open(): Promise<void> {}

  async write(documents: readonly string[], ids: readonly string[] = documents): Promise<void> {
    if (documents.length === 0) return
    if (this.policy.digest === undefined) {
      await writeEach(documents.length, this.#options.connectionsMax, (index) =>
        this.#send(documents.slice(index, index + 1), ids.slice(index, index + 1)),
      )
      return
    }
    const verdict = await this.#send(documents, ids)
    switch (verdict.kind) {
      case 'taken':
        return
      case 'away':
        throw verdict.failure
      case 'refused':
        throw new PartialWriteError(verdict.failure.message, new Map([[0, verdict.failure]]))
    }
  }

  async close(): Promise<void> {
    const transport = await this.#transport
    transport?.close()
  }

  async checkConnection(): Promise<void> {
    try {
      const transport = await this.#connected()
      await transport.verify()
    } catch (error) {
      throw this.#verdictOf(error).failure
    }
  }

  async #send(documents: readonly string[], ids: readonly string[]): Promise<Verdict> {
    const { templates, from, policy } = this.#options
    const isDigest = policy.digest !== undefined
    const options = { isDigest, domain: domainOf(from) }
    const mail = writeMail(documents.map(parseAlert), ids, templates, options)
    const done = this.#partlySent.get(mail.messageId) ?? new Set<string>()
    try {
      const transport = await this.#connected()
      const sent: SentMessageInfo = await transport.sendMail(this.#message(mail, done))
      const rejected = (sent.rejectedErrors ?? []) as readonly SMTPError[]
      this.#partlySent.delete(mail.messageId)
      if (rejected.length === 0) return { kind: 'taken' }
      const server = this.#options.server.host
      const verdict = rejectedVerdict(server, rejected, (text) => this.#hide(text))
      if (verdict.kind !== 'taken' && verdict.failure.retryable) {
        this.#remember(mail.messageId, [...done, ...(sent.accepted ?? []).map(String)])
      }
      return verdict
    } catch (error) {
      return this.#verdictOf(error)
    }
  }

  #message(mail: Mail, done: ReadonlySet<string>) {
    const { from, to, cc, bcc, replyTo } = this.#options
    const recipients = [...to, ...cc, ...bcc].map(({ address }) => address)
    return {
      ...mail,
      from: { ...from },
      to: to.map((mailbox) => ({ ...mailbox })),
      cc: cc.map((mailbox) => ({ ...mailbox })),
      ...(replyTo === null ? {} : { replyTo: { ...replyTo } }),
      // The envelope alone has those of bcc, and only those that lack the mail.
      envelope: {
        from: from.address,
        to: [...new Set(recipients)].filter((address) => !done.has(address)),
      },
      // Out-of-office notes answer no such mail.
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      disableFileAccess: true,
      disableUrlAccess: true,
    }
  }

  #remember(messageId: string, accepted: readonly string[]): void {
    this.#partlySent.set(messageId, new Set(accepted))
    const [oldest] = this.#partlySent.keys()
    if (this.#partlySent.size > partlySentMax && oldest !== undefined) {
      this.#partlySent.delete(oldest)
    }
  }

  /** The client is loaded when it is needed: most commands send no mail. */
  #connected(): Promise<Transporter> {
    this.#transport ??= import('nodemailer').then(({ createTransport }) =>
      createTransport(transportOptions(this.#options)),
    )
    return this.#transport
  }

  #verdictOf(error: unknown): Exclude<Verdict, { kind: 'taken' }> {
    return verdictOf(this.#options.server.host, error as SMTPError, (text) => this.#hide(text))
  }

  #hide(text: string): string {
    return this.#options.secrets.reduce(
      (hidden, secret) => hidden.replaceAll(secret, '[secret]'),
      text,
    )
  }
}

function transportOptions(options: EmailSinkOptions) {
  const { server, encryption, tls, timeoutMs, connectionsMax } = options
  const { host, port, secure, user, password } = server
  return {
    pool: true as const,
    host,
    port,
    secure,
    // STARTTLS that a man in the middle could leave out is none.
    requireTLS: !secure && encryption === 'required',
    ignoreTLS: !secure && encryption === 'none',
    ...(user === null || password === null ? {} : { auth: { user, pass: password } }),
    maxConnections: connectionsMax,
    maxMessages: Number.POSITIVE_INFINITY,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    tls: { minVersion: 'TLSv1.2' as const, ...tls },
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}
