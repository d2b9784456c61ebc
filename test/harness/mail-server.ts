import type { AddressInfo } from 'node:net'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { localhostCertificate, localhostKey } from './http-receiver.ts'

export interface ReceivedMail {
  readonly from: string
  readonly to: readonly string[]
  readonly secure: boolean
  readonly user: string | undefined
  readonly raw: string
  readonly mail: Email
}

export interface MailServerOptions {
  readonly port?: number
  /** `starttls`: offered; `tls`: from the first byte. Default: none. */
  readonly encryption?: 'none' | 'starttls' | 'tls'
  readonly users?: Readonly<Record<string, string>>
}

/** A real SMTP server that keeps what it takes. */
export interface MailServer {
  readonly port: number
  readonly mails: ReceivedMail[]
  /** What becomes of the next mails at the end of their data, one each; then they are taken. */
  readonly dataRefusals: number[]
  /** Recipients that are refused, and how. */
  readonly recipientRefusals: Map<string, number>
  /** Connections so far. */
  connections: number
  close(): Promise<void>
}

export async function startMailServer(options: MailServerOptions = {}): Promise<MailServer> {
  const { encryption = 'none', users, port = 0 } = options
  const mails: ReceivedMail[] = []
  const dataRefusals: number[] = []
  const recipientRefusals = new Map<string, number>()
  const server = new SMTPServer({
    secure: encryption === 'tls',
    cert: localhostCertificate,
    key: localhostKey,
    authOptional: users === undefined,
    disabledCommands: [
      ...(encryption === 'starttls' ? [] : ['STARTTLS']),
      ...(users === undefined ? ['AUTH'] : []),
    ],
    allowInsecureAuth: true,
    logger: false,
    closeTimeout: 100,
    onConnect: (_, callback) => {
      receiver.connections++
      callback()
    },
    onAuth: ({ username, password }, _, callback) => {
      if (users?.[username ?? ''] === password) callback(null, { user: username })
      else callback(new Error(`wrong password ${password}`))
    },
    onRcptTo: ({ address }, _, callback) => callback(refusal(recipientRefusals.get(address))),
    onData: (stream, session, callback) => {
      readMail(stream, session).then((mail) => {
        const code = dataRefusals.shift()
        if (code === undefined) mails.push(mail)
        callback(refusal(code))
      }, callback)
    },
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const receiver: MailServer = {
    port: (server.server.address() as AddressInfo).port,
    mails,
    dataRefusals,
    recipientRefusals,
    connections: 0,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
  return receiver
}

function refusal(code: number | undefined): Error | null {
  if (code === undefined) return null
  return Object.assign(new Error(`refused as ${code}`), { responseCode: code })
}

async function readMail(
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
): Promise<ReceivedMail> {
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  const raw = Buffer.concat(chunks)
  const { mailFrom, rcptTo } = session.envelope
  return {
    from: mailFrom === false ? '' : mailFrom.address,
    to: rcptTo.map(({ address }) => address),
    secure: session.secure,
    user: session.user,
    raw: raw.toString('latin1'),
    mail: await PostalMime.parse(raw),
  }
}
