import { setTimeout as sleep } from 'node:timers/promises'
import type { PollResult, ReceiptKeeping, SourceReader } from '../../src/connector/source.ts'
import { ConnectorError } from '../../src/errors.ts'
import type { Split } from '../../src/stream/event.ts'
import {
  type ConnectionListener,
  connectToBroker,
  type IncomingMessage,
  type MQTTConnection,
} from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { IncomingQueue } from './incoming-queue.ts'
import { MessageFormat, type MessageFormatOptions } from './message-format.ts'
import { type IdentityWindow, MQTTLedger, type Receipt } from './receipt-ledger.ts'

export interface MQTTSourceOptions {
  readonly connection: ConnectionOptions
  /** The job: its session goes by this name and the stream's, where no client id is given. */
  readonly job: string
  readonly message: MessageFormatOptions
  readonly qos: 0 | 1 | 2
  /** Whether messages that the broker had retained are taken. */
  readonly takesRetained: boolean
  readonly window: IdentityWindow
  readonly sessionExpirySeconds: number
  readonly receiveMaximum: number
}

/**
 * Reads the messages of a session. It stays connected for as long as it is not closed; what it takes
 * is confirmed to the broker in `acknowledge`, never before:
 *
 * 1. A message is taken into the queue. One that is there already, by the packet id of QoS 2 or by
 *    its identity, is not taken again, but confirmed like the others, in its turn.
 * 2. A poll gives a batch of them, and a receipt of what must be known of them after a crash.
 * 3. Once both are durable the messages are confirmed, on the connection that they came on; where that
 *    has ended the broker sends them again.
 * 4. A packet id of QoS 2 that the broker releases is forgotten by another receipt; only when that is
 *    durable the broker is told, and may give the id to another message.
 */
export class MQTTSourceReader implements SourceReader {
  readonly split: Split
  readonly receipts: ReceiptKeeping
  readonly #options: MQTTSourceOptions
  readonly #format: MessageFormat
  readonly #queue: IncomingQueue
  /** What was taken, also what is not durable yet. */
  readonly #ledger: MQTTLedger
  readonly #listener: ConnectionListener
  #isKept = false
  #connection: MQTTConnection | null = null
  #connecting: Promise<void> | null = null
  readonly #ending = new AbortController()
  #wasConnected = false
  #isConnected = false
  /** What keeps messages from coming; undefined: nothing that is known. */
  #problem: string | undefined
  #failure: unknown = null
  #readBytes = 0
  readonly #leftOut: Record<LeftOutReason, number> = { duplicate: 0, retained: 0, unsubscribed: 0 }

  constructor(split: Split, options: MQTTSourceOptions) {
    this.split = split
    this.#options = options
    this.#format = new MessageFormat(options.message)
    this.#queue = new IncomingQueue(split)
    this.#ledger = new MQTTLedger(options.window)
    this.receipts = {
      createLedger: () => new MQTTLedger(options.window),
      restore: (kept) => {
        this.#isKept = true
        this.#queue.keepReceipts()
        if (kept !== undefined) this.#ledger.add(kept)
      },
    }
    this.#listener = {
      onMessage: (message, connection, done) => {
        this.#take(message, connection)
        this.#queue.whenRoom(done)
      },
      onRelease: (packetId, connection) => this.#release(packetId, connection),
    }
  }

  async pollBatch(): Promise<PollResult> {
    this.#connecting ??= this.#stayConnected().catch((failure: unknown) => {
      this.#failure = failure
    })
    if (this.#queue.isEmpty && this.#failure === null) await this.#queue.waitForMore(pollWaitMs)
    if (this.#ending.signal.aborted) return { kind: 'end' }
    const taken = this.#queue.take()
    if (taken !== null) return { kind: 'batch', ...taken }
    if (this.#failure !== null) throw this.#failure
    const problem = this.#problem === undefined ? {} : { problem: this.#problem }
    // What a broker that is away keeps for this session is not known.
    const backlog = !this.#isConnected
    return { kind: 'idle', untilMs: 0, backlog, ...problem }
  }

  progress(): { readonly read: number; readonly total: undefined } {
    return { read: this.#readBytes, total: undefined }
  }

  leftOut(): Readonly<Record<LeftOutReason, number>> {
    return this.#leftOut
  }

  async acknowledge(): Promise<void> {
    this.#queue.confirmNext()
  }

  async close(): Promise<void> {
    this.#ending.abort()
    this.#queue.close()
    await this.#connection?.close()
    await this.#connecting
  }

  /** Connects, and connects again when the connection ends, until the reader is closed. */
  async #stayConnected(): Promise<void> {
    for (let failures = 0; !this.#isClosed; ) {
      const since = Date.now()
      try {
        const ended = await this.#connectOnce()
        // Two clients of one name end each other's connections at once: that must not go on so fast.
        if (Date.now() - since > steadyMs) failures = 0
        this.#problem = ended.message
      } catch (failure) {
        if (!(failure instanceof ConnectorError)) throw failure
        // A broker that had taken this client may be starting, and not know its users yet.
        if (!failure.retryable && !this.#wasConnected) throw failure
        this.#problem = failure.message
      }
      await this.#pause(failures++)
    }
  }

  /** Resolves with why the connection has ended. */
  async #connectOnce(): Promise<ConnectorError> {
    const { connection: broker, sessionExpirySeconds, receiveMaximum } = this.#options
    const session = {
      clientId: clientIdOf(this.#options, this.split.stream),
      // A session whose receipts nobody keeps would bring what nobody knows of.
      clean: !this.#isKept,
      expirySeconds: this.#isKept ? sessionExpirySeconds : 0,
      receiveMaximum,
    }
    const connection = await connectToBroker(broker, session, 'INPUT_UNREADABLE', this.#listener)
    this.#connection = connection
    try {
      if (this.#isClosed) await connection.close()
      else await this.#subscribe(connection)
      this.#wasConnected = true
      this.#isConnected = true
      this.#problem = undefined
      return await connection.closed
    } finally {
      this.#isConnected = false
      this.#connection = null
      await connection.close()
    }
  }

  /** Makes the session's subscriptions those that are wanted. */
  async #subscribe(connection: MQTTConnection): Promise<void> {
    if (!connection.hadSession) {
      const mustBeKept = this.#ledger.hasSession
      this.#ledger.apply({ forgotten: true })
      // Before messages come whose packet ids might be taken for those of the session that is gone:
      // none come before it subscribes.
      if (mustBeKept) await this.#keep({ forgotten: true }, connection)
    }
    const { qos, takesRetained } = this.#options
    const filters = this.#options.message.filters.map(({ subscription }) => subscription)
    const wanted = filters.map((filter) => `${qos} ${filter}`)
    const known = this.#ledger.subscribed ?? []
    if (JSON.stringify(known) === JSON.stringify(wanted)) return
    const others = known.map(filterOf).filter((filter) => !filters.includes(filter))
    if (others.length > 0) await connection.unsubscribe(others)
    await connection.subscribe({ filters, qos, retained: takesRetained })
    this.#ledger.apply({ subscribed: wanted })
    await this.#keep({ subscribed: wanted }, connection)
  }

  /** Waits until a receipt is durable. @throws {ConnectorError} when the connection has ended before */
  async #keep(receipt: Receipt, connection: MQTTConnection): Promise<void> {
    const ended = connection.closed.then((failure) => Promise.reject(failure))
    await Promise.race([this.#queue.addReceipt(receipt), ended])
  }

  #take(message: IncomingMessage, connection: MQTTConnection): void {
    const { qos, packetId } = message
    const now = Date.now()
    const confirmation = qos === 2 ? 'pubrec' : 'puback'
    const confirm = qos === 0 ? null : () => connection.confirm(confirmation, packetId)
    const identity = this.#format.identityOf(message)
    const reason = this.#reasonToLeave(message, identity, now)
    if (reason !== null) {
      this.#leftOut[reason]++
      this.#queue.addConfirmation(confirm)
      return
    }
    const receipt = {
      ...(qos === 2 ? { opened: [packetId] } : {}),
      ...(identity === undefined ? {} : { seen: [[identity, now] as const] }),
    }
    this.#ledger.apply(receipt)
    this.#readBytes += message.payload.length
    this.#queue.addRecord(this.#format.recordOf(message, now), now, receipt, confirm)
  }

  /** Why a message is not taken; `null`: it is. */
  #reasonToLeave(
    { topic, qos, packetId, retained }: IncomingMessage,
    identity: string | undefined,
    now: number,
  ): LeftOutReason | null {
    if (qos === 2 && this.#ledger.isOpen(packetId)) return 'duplicate'
    if (retained && !this.#options.takesRetained) return 'retained'
    if (!this.#format.takes(topic)) return 'unsubscribed'
    return identity !== undefined && this.#ledger.hasSeen(identity, now) ? 'duplicate' : null
  }

  #release(packetId: number, connection: MQTTConnection): void {
    const confirm = () => connection.confirm('pubcomp', packetId)
    // One that is not known was released before, or was confirmed only for having been there already.
    if (!this.#ledger.isOpen(packetId)) {
      this.#queue.addConfirmation(confirm)
      return
    }
    const receipt = { released: [packetId] }
    this.#ledger.apply(receipt)
    void this.#queue.addReceipt(receipt, confirm)
  }

  get #isClosed(): boolean {
    return this.#ending.signal.aborted
  }

  /** Waits after so many failures in a row: 100 ms, then twice as long each time, up to 30 s. */
  async #pause(failures: number): Promise<void> {
    const longest = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures, 20))
    // Scattered, so that clients of a broker that was away do not come back all at once.
    const waitMs = longest * (0.5 + Math.random() / 2)
    await sleep(waitMs, undefined, { signal: this.#ending.signal }).catch(() => undefined)
  }
}

type LeftOutReason = 'duplicate' | 'retained' | 'unsubscribed'

/** How long a poll waits for messages before it says that there are none. */
const pollWaitMs = 50
const pauseMsMin = 100
const pauseMsMax = 30_000
/** A connection that has lasted for so long was no failure. */
const steadyMs = 10_000

/** The name by which the broker knows a stream's session over the process's lives. */
export function clientIdOf({ connection, job }: MQTTSourceOptions, stream: string): string {
  return connection.clientId ?? `${job}-${stream}`
}

/** The filter of a subscription as the ledger has it. */
function filterOf(subscription: string): string {
  return subscription.slice(2)
}
