import { afterEach, describe, expect, it } from 'vitest'
import { emailConnector } from '../../connectors/email/connector.ts'
import { PartialWriteError, type Sink } from '../../src/connector/sink.ts'
import type { ConnectorError } from '../../src/errors.ts'
import { localhostCertificate } from '../harness/http-receiver.ts'
import { type MailServer, startMailServer } from '../harness/mail-server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function server(options?: Parameters<typeof startMailServer>[0]): Promise<MailServer> {
  const started = await startMailServer(options)
  closing.push(() => started.close())
  return started
}

function sinkTo(port: number, options: Readonly<Record<string, unknown>> = {}): Sink {
  const smtp = `smtp://localhost:${port}`
  const sink = emailConnector.sink!.create(
    { smtp, to: ['ops@example.org'], ...options },
    { directory: '/' },
  )
  closing.push(() => sink.close())
  return sink
}

const alert = (id: string, more: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({
    id,
    notification: `${id}:firing:1`,
    rule: 'card-testing',
    version: 1,
    mode: 'live',
    severity: 'high',
    title: `Card ${id}`,
    state: 'firing',
    by: { card: 'c1' },
    event_time: 1_767_225_600_000,
    detected_at: 1_767_225_601_000,
    tags: ['fraud'],
    fields: { lost: 900, who: { name: 'é' } },
    steps: {
      probe: [
        {
          stream: 'payments',
          partition: 0,
          offset: 7,
          event_time: 1_767_225_600_000,
          event: { n: 1 },
        },
      ],
    },
    ...more,
  })

async function write(sink: Sink, ...documents: string[]): Promise<unknown> {
  const ids = documents.map((document) => JSON.parse(document).id as string)
  try {
    await sink.write(documents, ids)
    return 'taken'
  } catch (error) {
    if (error instanceof PartialWriteError) {
      return [...error.failures].map(([index, { message, retryable }]) => [
        ids[index],
        message,
        retryable,
      ])
    }
    const { message, retryable } = error as ConnectorError
    return { away: message, retryable }
  }
}

describe('a mail', () => {
  it('has the alert as text and as HTML, from and to whom the configuration says', async () => {
    const { port, mails } = await server()
    const sink = sinkTo(port, {
      from: 'Tocsin <tocsin@example.org>',
      to: ['Ops, on call <ops@example.org>', 'second@example.org'],
      cc: ['third@example.org'],
      bcc: ['hidden@example.org'],
      reply_to: 'answers@example.org',
    })
    expect(await write(sink, alert('a1'))).toBe('taken')
    const [{ mail, from, to, raw }] = mails as [(typeof mails)[0]]
    expect([from, [...to].sort()]).toEqual([
      'tocsin@example.org',
      ['hidden@example.org', 'ops@example.org', 'second@example.org', 'third@example.org'],
    ])
    expect(raw).not.toContain('hidden@')
    expect([mail.from, mail.to, mail.cc, mail.replyTo, mail.subject, mail.date]).toEqual([
      { name: 'Tocsin', address: 'tocsin@example.org' },
      [
        { name: 'Ops, on call', address: 'ops@example.org' },
        { name: '', address: 'second@example.org' },
      ],
      [{ name: '', address: 'third@example.org' }],
      [{ name: '', address: 'answers@example.org' }],
      '[high] Card a1',
      '2026-01-01T00:00:01.000Z',
    ])
    expect(mail.text?.trim().split('\n')).toEqual([
      ...['[high] Card a1', 'rule: card-testing', 'time: 2026-01-01T00:00:00.000Z', 'card: c1'],
      ...['lost: 900', 'who: {"name":"é"}', '', 'probe:'],
      ...['  2026-01-01T00:00:00.000Z payments/0/7 {"n":1}', '', 'id: a1'],
    ])
    expect(mail.html).toContain(
      '<tr><th align="left">who</th><td>{&#34;name&#34;:&#34;é&#34;}</td>',
    )
    expect(mail.headers.find(({ key }) => key === 'auto-submitted')?.value).toBe('auto-generated')
  })

  it('has a Message-ID that follows from the alert alone', async () => {
    const first = await server()
    const second = await server()
    for (const { port } of [first, second]) await write(sinkTo(port), alert('a1'), alert('a2'))
    const ids = [first, second].map(({ mails }) => mails.map(({ mail }) => mail.messageId).sort())
    expect(ids[0]).toEqual(ids[1])
    expect(new Set(ids[0]).size).toBe(2)
    expect(ids[0]?.[0]).toMatch(/^<[0-9a-f]{40}@example\.org>$/)
  })

  it.each([
    ['a line end', 'x\r\nBcc: evil@example.net\r\n\r\nbody'],
    ['a lone line feed', 'x\nBcc: evil@example.net'],
    ['a lone carriage return', 'x\rBcc: evil@example.net'],
    ['other ends of lines', 'x\u2028Bcc: evil@example.net\u0085Bcc: evil@example.net\u0000'],
    ['an encoded word', '=?utf-8?q?x=0D=0ABcc:_evil=40example.net?='],
    ['a text without end', `${'x'.repeat(100_000)}\r\nBcc: evil@example.net`],
    ['another direction', 'x\u202eBcc: evil@example.net'],
  ])('gets no header and no recipient from %s in an event', async (_, title) => {
    const { port, mails } = await server()
    const sink = sinkTo(port, { subject: '{{title}} {{by.card}} {{fields.f}}' })
    const poisoned = alert('a1', { title, by: { card: title }, fields: { f: title }, rule: title })
    expect(await write(sink, poisoned)).toBe('taken')
    const [{ mail, to, raw }] = mails as [(typeof mails)[0]]
    const head = raw.slice(0, raw.indexOf('\r\n\r\n'))
    expect([to, mail.bcc, mail.to]).toEqual([
      ['ops@example.org'],
      undefined,
      [{ name: '', address: 'ops@example.org' }],
    ])
    expect(head.match(/^bcc:/gim)).toBeNull()
    await write(sink, alert('a2'))
    const [, plain] = mails as [(typeof mails)[0], (typeof mails)[0]]
    expect(mail.headers.map(({ key }) => key)).toEqual(plain.mail.headers.map(({ key }) => key))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(mail.subject).not.toMatch(/[\u0000-\u001f\u0085\u2028\u202e]/)
    expect(mail.subject?.length).toBeLessThanOrEqual(201)
  })

  it('shows HTML of an event as text', async () => {
    const { port, mails } = await server()
    const title = '<img src=x onerror=alert(1)>"\'`&'
    await write(sinkTo(port), alert('a1', { title, fields: { '<i>': title } }))
    const html = mails[0]?.mail.html ?? ''
    expect(html).not.toContain('<img')
    expect(html).not.toContain('<i>')
    expect(html).toContain('&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#96;&#38;')
  })

  it('is written as its templates say', async () => {
    const { port, mails } = await server()
    const sink = sinkTo(port, {
      subject: '{{rule}}: {{by.card}}',
      text: 'lost {{fields.lost}}{{#tags}} #{{.}}{{/tags}}',
      html: '<p title="{{title}}">{{fields.lost}}</p>',
    })
    await write(sink, alert('a1', { title: '"><script>' }))
    const [{ mail }] = mails as [(typeof mails)[0]]
    expect([mail.subject, mail.text?.trim(), mail.html?.trim()]).toEqual([
      'card-testing: c1',
      'lost 900 #fraud',
      '<p title="&#34;&#62;&#60;script&#62;">900</p>',
    ])
  })

  it('may be a digest', async () => {
    const { port, mails } = await server()
    const sink = sinkTo(port, { digest: { max: 10, every: '1m' } })
    const low = alert('a1', { severity: 'low' })
    expect(await write(sink, low, alert('a2'), alert('a3'))).toBe('taken')
    const [{ mail }] = mails as [(typeof mails)[0]]
    expect([mails.length, mail.subject]).toEqual([1, '[high] 3 alerts, the first: Card a1'])
    expect(mail.text?.match(/^id: .*$/gm)).toEqual(['id: a1', 'id: a2', 'id: a3'])
    await write(sink, low, alert('a2'), alert('a3'))
    await write(sink, low, alert('a2'))
    const ids = mails.map(({ mail: { messageId } }) => messageId)
    expect([ids[0] === ids[1], ids[0] === ids[2]]).toEqual([true, false])
    expect(sink.policy?.digest).toEqual({ max: 10, everyMs: 60_000 })
  })
})

describe('a mail server', () => {
  it.each([
    [451, true],
    [452, true],
    [550, false],
    [552, false],
    [554, false],
  ])('that refuses a mail with %i: tried again: %s', async (code, retryable) => {
    const { port, mails, dataRefusals } = await server()
    const sink = sinkTo(port, { connections: 1 })
    dataRefusals.push(code)
    const message = `the mail server localhost refused the mail: Message failed: ${code} refused as ${code}`
    expect(await write(sink, alert('a1'), alert('a2'))).toEqual([['a1', message, retryable]])
    expect(await write(sink, alert('a1'))).toBe('taken')
    expect(mails).toHaveLength(2)
  })

  it('that refuses some recipients for now gets the mail again for those alone', async () => {
    const { port, mails, recipientRefusals } = await server()
    const sink = sinkTo(port, { to: ['one@example.org', 'two@example.org'] })
    recipientRefusals.set('two@example.org', 450)
    const result = [['a1', expect.stringContaining('two@example.org: '), true]]
    expect(await write(sink, alert('a1'))).toEqual(result)
    recipientRefusals.clear()
    expect(await write(sink, alert('a1'))).toBe('taken')
    expect(mails.map(({ to, mail }) => [to, mail.to?.length])).toEqual([
      [['one@example.org'], 2],
      [['two@example.org'], 2],
    ])
    expect(await write(sink, alert('a1'))).toBe('taken')
    expect(mails.at(-1)?.to).toHaveLength(2)
  })

  it('that refuses some recipients for good is said to have', async () => {
    const { port, recipientRefusals } = await server()
    const sink = sinkTo(port, { to: ['one@example.org', 'gone@example.org'] })
    recipientRefusals.set('gone@example.org', 550)
    expect(await write(sink, alert('a1'))).toEqual([
      [
        'a1',
        expect.stringMatching(/refused some recipients, others have the mail: gone@.*550/),
        false,
      ],
    ])
    recipientRefusals.set('one@example.org', 550)
    expect(await write(sink, alert('a1'))).toEqual([
      ['a1', expect.stringMatching(/refused the mail: .*550/), false],
    ])
  })

  it('may be gone and come back', async () => {
    const first = await startMailServer()
    const sink = sinkTo(first.port, { timeout: '5s' })
    expect(await write(sink, alert('a1'))).toBe('taken')
    await first.close()
    expect(await write(sink, alert('a2'))).toEqual({
      away: expect.stringMatching(/^the mail server localhost cannot be used: /),
      retryable: true,
    })
    const second = await server({ port: first.port })
    expect(await write(sink, alert('a2'))).toBe('taken')
    expect(second.mails).toHaveLength(1)
  })

  it('gets a user and a password, which no message shows', async () => {
    const password = 's3same öffne/dich'
    const { port, mails } = await server({ users: { ada: password } })
    const smtp = (secret: string) => `smtp://ada:${encodeURIComponent(secret)}@localhost:${port}`
    expect(await write(sinkTo(port, { smtp: smtp(password) }), alert('a1'))).toBe('taken')
    expect(mails[0]?.user).toBe('ada')
    const wrong = await write(sinkTo(port, { smtp: smtp('hunter2-is-no-time') }), alert('a1'))
    // This server says the password that it got.
    expect(wrong).toEqual({
      away: expect.stringMatching(
        /cannot be used: Invalid login: 535 wrong password \[secret\]; check user and password$/,
      ),
      retryable: true,
    })
    const without = await write(sinkTo(port), alert('a1'))
    expect(without).toMatchObject({ away: expect.stringContaining('530'), retryable: true })
  })

  it('is tried without a mail', async () => {
    const { port, mails, connections } = await server({ users: { ada: 'sesame' } })
    await sinkTo(port, { smtp: `smtp://ada:sesame@localhost:${port}` }).checkConnection?.()
    const wrong = sinkTo(port, { smtp: `smtp://ada:wrong@localhost:${port}` })
    await expect(wrong.checkConnection?.()).rejects.toThrow('Invalid login')
    expect([mails, connections]).toEqual([[], 0])
  })
})

describe('encryption', () => {
  const tls = { ca: localhostCertificate }

  it.each([
    ['starttls', 'smtp', {}, true],
    ['starttls', 'smtp', { encryption: 'required' }, true],
    ['starttls', 'smtp', { encryption: 'none' }, false],
    ['tls', 'smtps', {}, true],
    ['none', 'smtp', {}, false],
  ] as const)(
    'of a server with %s, by %s and %j: %s',
    async (encryption, scheme, options, secure) => {
      const { port, mails } = await server({ encryption })
      const sink = sinkTo(port, { smtp: `${scheme}://localhost:${port}`, tls, ...options })
      expect(await write(sink, alert('a1'))).toBe('taken')
      expect(mails[0]?.secure).toBe(secure)
    },
  )

  it('is not gone without where it is required, nor trusts just anybody', async () => {
    const plain = await server()
    const required = sinkTo(plain.port, { encryption: 'required' })
    expect(await write(required, alert('a1'))).toMatchObject({
      away: expect.stringMatching(/cannot be used: .*STARTTLS.*check `encryption`$/),
      retryable: true,
    })
    const secured = await server({ encryption: 'tls' })
    const untrusting = sinkTo(secured.port, { smtp: `smtps://localhost:${secured.port}` })
    expect(await write(untrusting, alert('a1'))).toMatchObject({
      away: expect.stringContaining('self-signed certificate'),
    })
    expect([plain.mails, secured.mails]).toEqual([[], []])
  })
})

describe('the options of e-mail', () => {
  const smtp = 'smtp://ada:sesame-open@localhost'
  it.each([
    [{ smtp: 'localhost:25' }, 'smtp begins with localhost:'],
    [{ smtp: 'sesame-open' }, 'smtp is no URL'],
    [{ smtp: 'smtp://ada@localhost' }, 'smtp has a user or a password, and not both'],
    [{ smtp: `${smtp}/?tls.rejectUnauthorized=false` }, 'smtp has something behind its host'],
    [{ smtp: 'smtp://ada:sesame-open%zz@localhost' }, 'smtp has a `%`'],
    [{ to: ['ops'] }, 'to: "ops" is no address'],
    [{ to: ['a@b.c, d@e.f'] }, 'to: "a@b.c, d@e.f" is no address'],
    [{ cc: ['x\r\nBcc: y <a@b.c>'] }, 'cc: "x\\r\\nBcc: y <a@b.c>" is no address'],
    [{ from: 'Tocsin <tocsin>' }, 'from: "Tocsin <tocsin>" is no address'],
    [{ subject: 'a {{titel}}' }, 'subject: {{titel}} is not known: known here are id,'],
    [{ text: '{{#alerts}}' }, 'text: line 1: {{#alerts}} is not closed'],
    [
      { subject: '{{title}}', digest: { max: 2, every: '1m' } },
      'subject: {{title}} is not known: in a digest it is known within {{#alerts}}',
    ],
  ])('refuse %j', (options, message) => {
    let said = ''
    try {
      emailConnector.sink?.create({ smtp, to: ['ops@example.org'], ...options }, { directory: '/' })
    } catch (error) {
      said = (error as Error).message
    }
    expect(said).toContain(message)
    expect(said).not.toContain('sesame-open')
  })

  it('have a sender where none is named', async () => {
    const { port, mails } = await server({ users: { 'ada@example.com': 'pw' } })
    const named = `smtp://${encodeURIComponent('ada@example.com')}:pw@localhost:${port}`
    await write(sinkTo(port, { smtp: named }), alert('a1'))
    const open = await server()
    await write(sinkTo(open.port), alert('a1'))
    expect([mails[0]?.from, open.mails[0]?.from]).toEqual(['ada@example.com', 'tocsin@example.org'])
  })
})
