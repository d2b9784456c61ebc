import type { Connector, ConnectorOptions } from '../../src/connector/connector.ts'
import {
  deliveryOptions,
  deliveryPolicyOf,
  digestOption,
  durationOption,
  positiveMs,
} from '../delivery-options.ts'
import { tlsOptions, tlsSettingsOf } from '../tls-options.ts'
import { domainOf, type Mailbox, mailboxOf } from './address.ts'
import { mailTemplatesOf, type TemplateTexts } from './mail-templates.ts'
import { EmailSink } from './sink.ts'
import { isLoopback, type SMTPServer, smtpServerOf } from './smtp-server.ts'

const address = { type: 'string', minLength: 3, 'x-expected': 'an address' }
const addresses = { type: 'array', items: address, 'x-expected': 'a list of addresses' }
const template = { type: 'string', minLength: 1, 'x-expected': 'a template' }

/** Alerts as e-mails, by SMTP. */
export const emailConnector: Connector = {
  name: 'email',
  sink: {
    options: {
      type: 'object',
      description:
        'Mails alerts, at least once, with a Message-ID that follows from their ids; one at a time, or ' +
        'in digests.',
      properties: {
        smtp: {
          description:
            'The server: smtp://user:password@host:587, which goes on with STARTTLS, or smtps://…',
          type: 'string',
          minLength: 1,
          writeOnly: true,
          // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a reference is written.
          examples: ['${SMTP_URL}'],
        },
        to: {
          description: 'Recipients: `ops@example.org` or `Operations <ops@example.org>`.',
          ...addresses,
          minItems: 1,
          examples: [['ops@example.org']],
        },
        cc: { description: 'Recipients of a copy.', ...addresses },
        bcc: { description: 'Recipients of a copy that no other one sees.', ...addresses },
        from: {
          description:
            'The sender. Default: the user of `smtp` where it is an address, else tocsin@ and the ' +
            'domain of the first recipient.',
          ...address,
          examples: ['Tocsin <tocsin@example.org>'],
        },
        reply_to: { description: 'Where answers go; default: to the sender.', ...address },
        subject: {
          description: 'Template of the subject.',
          ...template,
          examples: ['[{{severity}}] {{title}}'],
        },
        text: { description: 'Template of the plain text.', ...template },
        html: {
          description: 'Template of the HTML; what it puts in is escaped.',
          ...template,
          examples: ['file:alert.html'],
        },
        digest: digestOption,
        encryption: {
          description:
            'Of smtp: `required` goes on only with STARTTLS, `opportunistic` with it where the server ' +
            'has it, `none` without. Default `required`, on this machine `opportunistic`.',
          enum: ['required', 'opportunistic', 'none'],
        },
        tls: {
          description: 'Certificates, as PEM texts: refer to a file with `file:PATH`.',
          type: 'object',
          properties: tlsOptions,
          additionalProperties: false,
        },
        timeout: {
          description: 'How long the server may be silent; default `30s`.',
          ...durationOption,
          examples: ['30s'],
        },
        connections: {
          description: 'Connections at a time; default 3.',
          type: 'integer',
          minimum: 1,
          maximum: 50,
        },
        ...deliveryOptions,
      },
      required: ['smtp', 'to'],
      additionalProperties: false,
    },
    create: createEmailSink,
  },
}

function createEmailSink(options: ConnectorOptions): EmailSink {
  const server = smtpServerOf(options.smtp as string)
  const to = mailboxesOf('to', options.to)
  const policy = deliveryPolicyOf(options)
  const tls = tlsSettingsOf('email', options.tls as ConnectorOptions | undefined)
  const { encryption, timeout, connections, reply_to: replyTo } = options
  return new EmailSink({
    server,
    encryption:
      (encryption as 'required' | undefined) ??
      (isLoopback(server.host) ? 'opportunistic' : 'required'),
    tls,
    timeoutMs: timeout === undefined ? 30_000 : positiveMs('timeout', timeout),
    connectionsMax: (connections as number | undefined) ?? 3,
    from: senderOf(options.from, server, to[0] as Mailbox),
    replyTo: replyTo === undefined ? null : mailboxOf('reply_to', replyTo as string),
    to,
    cc: mailboxesOf('cc', options.cc),
    bcc: mailboxesOf('bcc', options.bcc),
    templates: mailTemplatesOf(options as TemplateTexts, policy.digest !== undefined),
    policy,
    secrets: [
      options.smtp as string,
      ...(server.password === null ? [] : [server.password, encodeURIComponent(server.password)]),
    ],
  })
}

function mailboxesOf(option: string, value: unknown): Mailbox[] {
  return ((value ?? []) as readonly string[]).map((text) => mailboxOf(option, text))
}

function senderOf(from: unknown, { user }: SMTPServer, recipient: Mailbox): Mailbox {
  if (from !== undefined) return mailboxOf('from', from as string)
  if (user?.includes('@') === true) return mailboxOf('from', user)
  return { name: 'Tocsin', address: `tocsin@${domainOf(recipient)}` }
}
