import type { Split } from '../../src/stream/event.ts'
import type { RecordBatch, RecordFault } from '../../src/stream/record-batch.ts'
import type { MessageRecord } from './message-format.ts'
import { encodeReceipt, mergeReceipts, type Receipt } from './receipt-ledger.ts'

/** What came in, and waits to be given on. */
interface Incoming {
  readonly record: MessageRecord | null
  /** When it came, epoch ms. */
  readonly at: number
  readonly receipt: Receipt | null
  /** Called once it is durable. */
  readonly confirm: (() => void) | null
}

/** A batch of what came in, with the receipt that belongs to it. */
export interface TakenBatch {
  readonly batch: RecordBatch
  readonly receipt?: Uint8Array
}

/**
 * What came from a broker between being taken and being confirmed, in its order: first it waits for
 * a poll, then for being durable.
 */
export class IncomingQueue {
  readonly #split: Split
  #waiting: Incoming[] = []
  #waitingBytes = 0
  /** Confirmations of the batches that are not durable yet. */
  readonly #given: (() => void)[][] = []
  #keepsReceipts = false
  #offset = 0
  #onMore: (() => void) | null = null
  #onRoom: (() => void) | null = null

  constructor(split: Split) {
    this.#split = split
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** From now on receipts are given along with batches; else nobody would keep them. */
  keepReceipts(): void {
    this.#keepsReceipts = true
  }

  addRecord(record: MessageRecord, at: number, receipt: Receipt, confirm: (() => void) | null) {
    this.#add({ record, at, receipt: isNothing(receipt) ? null : receipt, confirm })
  }

  /** Resolves when the receipt is durable. */
  addReceipt(receipt: Receipt, confirm?: () => void): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        confirm?.()
        resolve()
      }
      this.#add({ record: null, at: 0, receipt, confirm: done })
    })
  }

  /** Confirms what is not taken (again) after all that came before it. */
  addConfirmation(confirm: (() => void) | null): void {
    if (confirm !== null) this.#add({ record: null, at: 0, receipt: null, confirm })
  }

  /** The next batch, which may be a receipt alone; `null`: nothing is there that needs one. */
  take(): TakenBatch | null {
    while (this.#waiting.length > 0) {
      const taken = this.#takeSome()
      const confirmations = taken.flatMap(({ confirm }) => confirm ?? [])
      const receipts = this.#keepsReceipts ? taken.flatMap(({ receipt }) => receipt ?? []) : []
      const records = taken.filter(({ record }) => record !== null)
      if (records.length === 0 && receipts.length === 0) {
        const last = this.#given.at(-1)
        if (last === undefined) for (const confirm of confirmations) confirm()
        else last.push(...confirmations)
        continue
      }
      this.#given.push(confirmations)
      const batch = batchOf(this.#split, records, this.#offset)
      this.#offset += batch.count
      if (receipts.length === 0) return { batch }
      return { batch, receipt: encodeReceipt(mergeReceipts(receipts)) }
    }
    return null
  }

  /** Confirms the first batch that is not confirmed yet. */
  confirmNext(): void {
    for (const confirm of this.#given.shift() ?? []) confirm()
  }

  /** Calls back at once, or when so much has been taken that there is room. */
  whenRoom(callback: () => void): void {
    if (this.#waitingBytes < waitingBytesMax) callback()
    else this.#onRoom = callback
  }

  /** Resolves when something is there, after so long, or when it is closed. */
  waitForMore(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      this.#onMore = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  close(): void {
    this.#onMore?.()
    this.#onRoom?.()
  }

  #add(incoming: Incoming): void {
    this.#waiting.push(incoming)
    this.#waitingBytes += bytesOf(incoming)
    this.#onMore?.()
    this.#onMore = null
  }

  /** Up to a size; what a session that is gone has left behind does not go with what follows it. */
  #takeSome(): readonly Incoming[] {
    let bytes = 0
    let count = 0
    for (const incoming of this.#waiting) {
      bytes += bytesOf(incoming)
      if (count > 0 && (bytes > batchBytes || incoming.receipt?.forgotten === true)) break
      count++
    }
    const taken = this.#waiting.splice(0, count)
    for (const incoming of taken) this.#waitingBytes -= bytesOf(incoming)
    if (this.#waitingBytes < waitingBytesMax && this.#onRoom !== null) {
      const callback = this.#onRoom
      this.#onRoom = null
      callback()
    }
    return taken
  }
}

const batchBytes = 256 * 1024
/** From here on the broker is not read further: it notices by what is not confirmed, or by TCP. */
const waitingBytesMax = 8 * 1024 * 1024
/** What an entry takes beside its bytes, roughly: messages may be small. */
const entryBytes = 64
const newline = 0x0a
const paddingBytes = 8

function bytesOf({ record }: Incoming): number {
  return entryBytes + (record?.bytes.length ?? 0)
}

function isNothing(receipt: Receipt): boolean {
  return Object.keys(receipt).length === 0
}

function batchOf(split: Split, incoming: readonly Incoming[], first: number): RecordBatch {
  const count = incoming.length
  const bytes = Buffer.allocUnsafe(
    incoming.reduce((sum, { record }) => sum + (record?.bytes.length ?? 0) + 1, paddingBytes),
  )
  const batch = {
    starts: new Int32Array(count),
    ends: new Int32Array(count),
    offsets: new Float64Array(count),
    ingestTimes: new Float64Array(count),
  }
  const faults = new Map<number, RecordFault>()
  let at = 0
  for (const [row, { record, at: time }] of incoming.entries()) {
    batch.starts[row] = at
    at += record?.bytes.copy(bytes, at) ?? 0
    batch.ends[row] = at
    bytes[at++] = newline
    batch.offsets[row] = first + row
    batch.ingestTimes[row] = time
    if (record?.fault !== undefined) faults.set(row, record.fault)
  }
  bytes.fill(newline, at)
  return { split, bytes, count, ...batch, ...(faults.size === 0 ? {} : { faults }) }
}
