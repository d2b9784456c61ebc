import type { ReceiptLedger } from '../../src/connector/source.ts'

/** What is to be known of messages after a crash. */
export interface Receipt {
  /** The broker has forgotten the session: nothing of it is under way, and nothing is subscribed. */
  readonly forgotten?: true
  /** What the session is subscribed to from now on. */
  readonly subscribed?: readonly string[]
  /** Packet ids of QoS 2 that were taken, and that the broker has not released yet. */
  readonly opened?: readonly number[]
  /** Packet ids that the broker has released: it may give them to others. */
  readonly released?: readonly number[]
  /** Identities of messages, and when they came, epoch ms. */
  readonly seen?: readonly (readonly [string, number])[]
}

/** How long identities are remembered: what is older, or the oldest of more, is forgotten. */
export interface IdentityWindow {
  readonly messagesMax: number
  readonly ageMaxMs: number
}

/** What a session has come to, by its receipts. */
export class MQTTLedger implements ReceiptLedger {
  readonly #window: IdentityWindow
  readonly #open = new Set<number>()
  #subscribed: readonly string[] | null = null
  /** In the order in which they came. */
  readonly #seen = new Map<string, number>()

  constructor(window: IdentityWindow) {
    this.#window = window
  }

  /** What the session is subscribed to; `null`: nothing that is known. */
  get subscribed(): readonly string[] | null {
    return this.#subscribed
  }

  /** Whether something is known of the broker's session. */
  get hasSession(): boolean {
    return this.#subscribed !== null || this.#open.size > 0
  }

  /** Whether a packet of QoS 2 was taken and is not released. */
  isOpen(packetId: number): boolean {
    return this.#open.has(packetId)
  }

  hasSeen(identity: string, now: number): boolean {
    const at = this.#seen.get(identity)
    return at !== undefined && now - at <= this.#window.ageMaxMs
  }

  apply({ forgotten, subscribed, opened = [], released = [], seen = [] }: Receipt): void {
    if (forgotten) {
      this.#open.clear()
      this.#subscribed = null
    }
    if (subscribed !== undefined) this.#subscribed = subscribed
    for (const packetId of released) this.#open.delete(packetId)
    for (const packetId of opened) this.#open.add(packetId)
    for (const [identity, at] of seen) {
      // Anew at the end, where it belongs by its time.
      this.#seen.delete(identity)
      this.#seen.set(identity, at)
      this.#forgetBefore(at - this.#window.ageMaxMs)
    }
  }

  add(receipt: Uint8Array): void {
    this.apply(decodeReceipt(receipt))
  }

  snapshot(): Uint8Array | undefined {
    if (!this.hasSession && this.#seen.size === 0) return undefined
    return encodeReceipt({
      ...(this.#subscribed === null ? {} : { subscribed: this.#subscribed }),
      opened: [...this.#open],
      seen: [...this.#seen],
    })
  }

  #forgetBefore(time: number): void {
    for (const [identity, at] of this.#seen) {
      if (at >= time && this.#seen.size <= this.#window.messagesMax) return
      this.#seen.delete(identity)
    }
  }
}

/** One receipt of several; each packet id stands in one of them. */
export function mergeReceipts(receipts: readonly Receipt[]): Receipt {
  const forgotten = receipts.some((receipt) => receipt.forgotten)
  const subscribed = receipts.findLast((receipt) => receipt.subscribed)?.subscribed
  const opened = receipts.flatMap((receipt) => receipt.opened ?? [])
  const released = receipts.flatMap((receipt) => receipt.released ?? [])
  const seen = receipts.flatMap((receipt) => receipt.seen ?? [])
  return {
    ...(forgotten ? { forgotten } : {}),
    ...(subscribed === undefined ? {} : { subscribed }),
    ...(opened.length === 0 ? {} : { opened }),
    ...(released.length === 0 ? {} : { released }),
    ...(seen.length === 0 ? {} : { seen }),
  }
}

export function encodeReceipt(receipt: Receipt): Uint8Array {
  return Buffer.from(JSON.stringify(receipt))
}

function decodeReceipt(receipt: Uint8Array): Receipt {
  return JSON.parse(Buffer.from(receipt).toString())
}
