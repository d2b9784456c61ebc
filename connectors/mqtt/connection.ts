import type { IClientOptions, MqttClient } from 'mqtt'
import { ConnectorError, type ErrorCode } from '../../src/errors.ts'
import { isForGood, reasonOf } from './connection-failure.ts'
import type { ConnectionOptions } from './connection-options.ts'

/** How a client presents itself. */
export interface SessionOptions {
  readonly clientId: string | undefined
  /** Whether the broker is to forget what it knows of this client. */
  readonly clean: boolean
  /** How long the broker keeps the session of a client that is away. Version 5. */
  readonly expirySeconds?: number
  /** How many messages may be under way at once. Version 5. */
  readonly receiveMaximum?: number
}

/** A message as the broker sent it. */
export interface IncomingMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly retained: boolean
  /** Of QoS 1 and 2. */
  readonly packetId: number
  /** Of version 5. */
  readonly userProperties: Readonly<Record<string, string | string[]>>
}

/** What is told of what comes in; all of it in order, none of it before the one before is done. */
export interface ConnectionListener {
  /** @param done called when the next packet may be read */
  onMessage(message: IncomingMessage, connection: MQTTConnection, done: () => void): void
  /** The broker releases a packet id of QoS 2, and waits for its confirmation. */
  onRelease(packetId: number, connection: MQTTConnection): void
}

/** What confirms packets. */
export type Confirmation = 'puback' | 'pubrec' | 'pubcomp'

/** A subscription of a connection. */
export interface Subscription {
  readonly filters: readonly string[]
  readonly qos: 0 | 1 | 2
  /** Whether retained messages are wanted, where the protocol can say so: once for a new filter. */
  readonly retained: boolean
}

const noListener: ConnectionListener = {
  onMessage: (_message, _connection, done) => done(),
  onRelease: () => undefined,
}

/**
 * Connects to a broker. One object is one connection: who wants another one connects anew.
 * @param code what failures are reported as
 * @throws {ConnectorError} not retryable where the broker, or its certificate, was refused
 */
export async function connectToBroker(
  options: ConnectionOptions,
  session: SessionOptions,
  code: ErrorCode,
  listener: ConnectionListener = noListener,
): Promise<MQTTConnection> {
  // Loaded when it is needed: every command would pay for it.
  const { connect, Store } = await import('mqtt')
  const incomingStore = new Store()
  const client = connect(options.url, { ...clientOptions(options, session), incomingStore })
  const connection = new MQTTConnection(client, options, code)
  // mqtt.js confirms QoS 1 after this callback, one message at a time, and QoS 2 (by its store) before
  // anybody has seen the message. Here messages are taken at once, in their order, and confirmed by
  // whoever knows that they are durable: so its own confirmations are left out.
  const take = (packet: IncomingPacket, done: () => void) =>
    listener.onMessage(messageOf(packet), connection, done)
  client.handleMessage = (packet, done) => {
    if (packet.qos === 2) done()
    else take(packet, done)
  }
  // What it sends itself, and counts, goes through methods that its types hide.
  const hidden = client as unknown as HiddenMethods
  incomingStore.put = (packet, done) => {
    // It would end the connection where a broker has more under way than was agreed on.
    hidden._releaseIncomingQoS2Publish?.(packet.messageId ?? 0)
    take(packet as IncomingPacket, () => done())
    return incomingStore
  }
  incomingStore.get = ({ messageId = 0 }, done) => {
    listener.onRelease(messageId, connection)
    // What it now takes for the message ends what it counts as under way; `handleMessage` drops it.
    done(undefined, {
      cmd: 'publish',
      topic: '',
      payload: '',
      qos: 2,
      dup: false,
      retain: false,
      messageId,
    })
    return incomingStore
  }
  const send = hidden._sendPacket.bind(client)
  hidden._sendPacket = (packet, done, ...more) => {
    if (isConfirmation(packet.cmd)) done?.()
    else send(packet, done, ...more)
  }
  connection.confirmBy((cmd, messageId) => {
    if (client.connected) send({ cmd, messageId })
  })
  await connection.established
  return connection
}

/** A connection to a broker that is there, until it is not. */
export class MQTTConnection {
  readonly #client: MqttClient
  readonly #options: ConnectionOptions
  readonly #code: ErrorCode
  /** Resolves when the broker has accepted the client. */
  readonly established: Promise<void>
  /** Resolves with why it ended. */
  readonly closed: Promise<ConnectorError>
  /** Whether the broker has gone on with a session that it knew. */
  hadSession = false
  #isUp = false
  #failure: Error | undefined
  #send: (confirmation: Confirmation, packetId: number) => void = () => undefined

  constructor(client: MqttClient, options: ConnectionOptions, code: ErrorCode) {
    this.#client = client
    this.#options = options
    this.#code = code
    client.on('error', (error) => {
      this.#failure ??= error
    })
    client.on('disconnect', ({ reasonCode = 0 }) => {
      this.#failure ??= Object.assign(new Error('the broker has ended it'), { code: reasonCode })
    })
    this.closed = new Promise((resolve) => {
      client.on('close', () => {
        this.#isUp = false
        resolve(this.#failed(this.#failure))
      })
    })
    const connected = new Promise<true>((resolve) => {
      client.on('connect', ({ sessionPresent }) => {
        this.hadSession = sessionPresent
        this.#isUp = true
        resolve(true)
      })
    })
    this.established = Promise.race([connected, this.closed]).then((result) => {
      if (result !== true) throw result
    })
  }

  get isUp(): boolean {
    return this.#isUp
  }

  confirmBy(send: (confirmation: Confirmation, packetId: number) => void): void {
    this.#send = send
  }

  /** Confirms a packet; nothing where the connection is gone: the broker sends it again. */
  confirm(confirmation: Confirmation, packetId: number): void {
    if (this.#isUp) this.#send(confirmation, packetId)
  }

  /** @throws {ConnectorError} not retryable where the broker refuses, or grants less */
  async subscribe({ filters, qos, retained }: Subscription): Promise<void> {
    const v5 = { nl: false, rap: false, rh: retained ? 1 : 2 }
    const wanted = Object.fromEntries(filters.map((filter) => [filter, { qos, ...v5 }]))
    const granted = await this.#whileUp<readonly number[]>((done) => {
      this.#client.subscribe(wanted, (error, _subscriptions, packet) => {
        const codes = packet?.granted as readonly number[] | undefined
        if (codes === undefined) done(error ?? new Error('no answer'), [])
        else done(null, codes)
      })
    })
    for (const [index, filter] of filters.entries()) {
      const code = granted[index] ?? 0x80
      if (code >= 0x80) {
        const why = reasonOf(Object.assign(new Error('it is not allowed'), { code }))
        throw this.#refused(`the broker refuses to subscribe \`${filter}\`: ${why}`)
      }
      if (code < qos) {
        throw this.#refused(
          `the broker grants only QoS ${code} for \`${filter}\`, not ${qos}; set \`qos: ${code}\``,
        )
      }
    }
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    await this.#whileUp<void>((done) => {
      this.#client.unsubscribe([...filters], (error) => done(error ?? null))
    })
  }

  /** Publishes; resolves when the broker has taken it over. @throws {ConnectorError} */
  async publish(topic: string, payload: string, options: PublishOptions): Promise<void> {
    const { qos, retain, userProperties } = options
    const bytesMax = this.#client.serverProperties?.maximumPacketSize ?? Infinity
    // Brokers end the connection of who sends more, and nothing behind it would come through.
    if (Buffer.byteLength(topic) + Buffer.byteLength(payload) + packetExtraBytes > bytesMax) {
      throw this.#refused(`an alert is larger than the broker takes, which is ${bytesMax} bytes`)
    }
    const properties =
      this.#options.version === 5
        ? { contentType: 'application/json', userProperties: { ...userProperties } }
        : undefined
    await this.#whileUp<void>((done) => {
      const more = properties === undefined ? {} : { properties }
      this.#client.publish(topic, payload, { qos, retain, ...more }, (error) => done(error ?? null))
    })
  }

  /** Ends it in order; by force where the broker does not answer within a second. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeMsMax)
    })
    if (this.#isUp) await Promise.race([this.#client.endAsync().catch(() => undefined), late])
    clearTimeout(timer)
    if (this.#client.stream?.destroyed === false) this.#client.stream.destroy()
    this.#client.end(true)
  }

  /** Work that a broker answers; a connection that ends meanwhile ends it too. */
  async #whileUp<Result>(
    work: (done: (error: Error | null, result?: Result) => void) => void,
  ): Promise<Result> {
    const answered = new Promise<Result>((resolve, reject) => {
      work((error, result) => {
        if (error === null) resolve(result as Result)
        else reject(this.#failed(error))
      })
    })
    const ended = this.closed.then((failure) => Promise.reject(failure))
    return await Promise.race([answered, ended])
  }

  #failed(cause: Error | undefined): ConnectorError {
    const { url } = this.#options
    const message = `${url}: ${cause === undefined ? 'the connection has ended; does another client have the same client_id?' : reasonOf(cause)}`
    const retryable = cause === undefined || !isForGood(cause)
    return new ConnectorError(this.#code, message, { cause, retryable })
  }

  #refused(reason: string): ConnectorError {
    const message = `${this.#options.url}: ${reason}`
    return new ConnectorError(this.#code, message, { retryable: false })
  }
}

export interface PublishOptions {
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Of version 5; with another one they are left out. */
  readonly userProperties?: Readonly<Record<string, string>>
}

const connectMsMax = 10_000
/** What a packet takes beside topic and payload, at most: the properties are short. */
const packetExtraBytes = 512
const closeMsMax = 1000

function clientOptions(
  { version, username, password, tls, keepaliveSeconds }: ConnectionOptions,
  { clientId, clean, expirySeconds, receiveMaximum }: SessionOptions,
): IClientOptions {
  const properties = {
    ...(expirySeconds === undefined ? {} : { sessionExpiryInterval: expirySeconds }),
    ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
  }
  return {
    protocolVersion: version,
    clean,
    keepalive: keepaliveSeconds,
    connectTimeout: connectMsMax,
    // Its owner connects again, and subscribes as the session needs it.
    reconnectPeriod: 0,
    resubscribe: false,
    ...(clientId === undefined ? {} : { clientId }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(version === 5 ? { properties } : {}),
    ...tls,
  }
}

interface HiddenMethods {
  _releaseIncomingQoS2Publish?(packetId: number): void
  _sendPacket(
    packet: { readonly cmd: string; readonly messageId?: number },
    done?: () => void,
    ...more: unknown[]
  ): void
}

/** As mqtt.js hands it over. */
type IncomingPacket = Parameters<MqttClient['handleMessage']>[0]

function messageOf({ topic, payload, qos, retain, messageId, properties }: IncomingPacket) {
  return {
    topic,
    payload: Buffer.isBuffer(payload) ? payload : Buffer.from(payload),
    qos,
    retained: retain,
    packetId: messageId ?? 0,
    userProperties: properties?.userProperties ?? {},
  }
}

function isConfirmation(cmd: string): cmd is Confirmation {
  return cmd === 'puback' || cmd === 'pubrec' || cmd === 'pubcomp'
}
