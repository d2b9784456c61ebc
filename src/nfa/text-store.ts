import type { ByteWriter } from '../state/byte-writer.ts'
import { twiceAsLong } from '../stream/growing-array.ts'

const pageBytes = 64 * 1024

/** Texts of a page for which there is room at first. */
const textsFirst = 512

/** A longer text has a buffer of its own. */
const sharedBytesMax = 4096

/** A page of which less than this part is in use is emptied. */
const usedPartMin = 1 / 4

/** Texts that lie so close together in their batch are copied as one, with what is between them. */
const gapBytesMax = 16

/** What a text store asks of the one who keeps the addresses of its texts. */
export interface TextOwner {
  /** Address of the owner's text; -1: it has none. */
  addressOf(id: number): number
  lengthOf(id: number): number
  /** The owner's text has been moved. */
  moved(id: number, address: number): void
}

interface Page {
  readonly bytes: Buffer
  /** Bytes of texts that have not been freed. */
  used: number
  /** Number of texts that have been written here. */
  count: number
  /** Who had text i here, and from which byte on. Typed, so that they cost nothing when used again. */
  ids: Int32Array
  starts: Uint16Array
}

/**
 * The texts of taken events, out of the garbage collector's sight. They are written one behind the
 * other, which costs a processor least; a page that is mostly free gives its last texts to the
 * newest page, and is used again (a log-structured store: Rosenblum and Ousterhout, 1992).
 */
export class TextStore {
  readonly #owner: TextOwner
  readonly #pages: Page[] = []
  readonly #freePages: number[] = []
  /** Texts that are too long for a page, by address: those count down from -2. */
  readonly #long = new Map<number, Buffer>()
  #nextLong = -2
  #current = -1
  #end = pageBytes
  /** A stretch of a batch that has a place, and will be copied there at once. */
  #pending: Buffer | null = null
  #pendingStart = 0
  #pendingEnd = 0
  #pendingAt = 0

  constructor(owner: TextOwner) {
    this.#owner = owner
  }

  /** Number of pages, those that are free among them. */
  get pages(): number {
    return this.#pages.length
  }

  /** Bytes of pages that are in use; long texts do not count. */
  get bytes(): number {
    return (this.#pages.length - this.#freePages.length) * pageBytes
  }

  /**
   * Gives a place to `bytes[start .. end)`, the text of an owner that had none; gives its address.
   * The bytes must stay as they are until `flush`.
   */
  add(id: number, bytes: Buffer, start: number, end: number): number {
    const length = end - start
    if (length > sharedBytesMax) return this.#addLong(Buffer.from(bytes.subarray(start, end)))
    const gap = start - this.#pendingEnd
    const isNext = this.#pending === bytes && gap >= 0 && gap <= gapBytesMax
    if (isNext && this.#end + gap + length < pageBytes) {
      this.#end += gap
      this.#pendingEnd = end
    } else {
      this.flush()
      while (this.#end + length >= pageBytes) this.#turnPage()
      this.#pending = bytes
      this.#pendingStart = start
      this.#pendingEnd = end
      this.#pendingAt = this.#end
    }
    const page = this.#pages[this.#current] as Page
    const at = this.#end
    this.#end += length
    page.used += length
    if (page.count === page.ids.length) growIndex(page)
    page.ids[page.count] = id
    page.starts[page.count++] = at
    return this.#current * pageBytes + at
  }

  /** Copies what has a place by now: the batch it comes from may be given back. */
  flush(): void {
    if (this.#pending === null) return
    const { bytes } = this.#pages[this.#current] as Page
    this.#pending.copy(bytes, this.#pendingAt, this.#pendingStart, this.#pendingEnd)
    this.#pending = null
  }

  /** The text, one char a byte. */
  textAt(address: number, length: number): string {
    if (address < 0) return (this.#long.get(address) as Buffer).toString('latin1')
    const start = address % pageBytes
    return this.#pageOf(address).toString('latin1', start, start + length)
  }

  /** Writes the text with its length. */
  write(address: number, length: number, out: ByteWriter): void {
    const start = address < 0 ? 0 : address % pageBytes
    const bytes = address < 0 ? (this.#long.get(address) as Buffer) : this.#pageOf(address)
    out.bytes(bytes, start, start + length)
  }

  /** The owner no longer needs its text, and says so by its address from now on. */
  free(address: number, length: number): void {
    if (address < 0) {
      this.#long.delete(address)
      return
    }
    const index = Math.floor(address / pageBytes)
    const page = this.#pages[index] as Page
    page.used -= length
    if (index !== this.#current && page.used < pageBytes * usedPartMin) this.#empty(index, page)
  }

  #pageOf(address: number): Buffer {
    const index = Math.floor(address / pageBytes)
    if (index === this.#current) this.flush()
    return (this.#pages[index] as Page).bytes
  }

  #addLong(text: Buffer): number {
    this.#long.set(this.#nextLong, text)
    return this.#nextLong--
  }

  #turnPage(): void {
    const left = this.#current
    this.#current = this.#freePages.pop() ?? this.#pages.length
    this.#end = 0
    if (this.#current === this.#pages.length) {
      const bytes = Buffer.allocUnsafeSlow(pageBytes)
      const ids = new Int32Array(textsFirst)
      this.#pages.push({ bytes, used: 0, count: 0, ids, starts: new Uint16Array(textsFirst) })
    }
    const page = this.#pages[left]
    if (page !== undefined && page.used < pageBytes * usedPartMin) this.#empty(left, page)
  }

  /** Moves what is left in a page to the newest one. */
  #empty(index: number, page: Page): void {
    const { ids, starts, bytes, count } = page
    if (page.used > 0) {
      for (let at = 0; at < count; at++) {
        const id = ids[at] as number
        const start = starts[at] as number
        if (this.#owner.addressOf(id) !== index * pageBytes + start) continue
        const end = start + this.#owner.lengthOf(id)
        this.#owner.moved(id, this.add(id, bytes, start, end))
      }
      this.flush()
    }
    page.used = 0
    page.count = 0
    this.#freePages.push(index)
  }
}

function growIndex(page: Page): void {
  page.ids = twiceAsLong(page.ids)
  page.starts = twiceAsLong(page.starts)
}
