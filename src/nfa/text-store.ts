import type { ByteWriter } from '../state/byte-writer.ts'
import { twiceAsLong } from '../stream/growing-array.ts'

const pageBytes = 64 * 1024

/** Texts that a page has room for; of such as are shorter than 64 bytes it cannot be filled. */
const pageTexts = 2 ** 10
/** Bits for them in the integers of a page. */
const pageWords = pageTexts / 32
const pageTextsBits = 10

/** A longer text has a buffer of its own. */
const sharedBytesMax = 4096

/** A page is emptied when less than this part of what was written there is in use. */
const usedPartMin = 1 / 4
/** The same of pages that are filled while there are few, where room may be spent to spare moves. */
const usedPartMinOfFew = 1 / 32
const fewPagesMax = 1024

/**
 * Texts that lie so close together in their batch are copied as one, with what is between them: to
 * copy a text of another event costs less than to copy twice.
 */
const gapBytesMax = 128

/** What a text store asks of the one who keeps the addresses of its texts. */
export interface TextOwner {
  lengthOf(id: number): number
  /** The owner's text has been moved. */
  moved(id: number, address: number): void
}

/**
 * The texts of taken events, out of the garbage collector's sight. They are written one behind the
 * other, which costs a processor least; a page that is mostly free gives its last texts to the
 * newest page, and is used again (a log-structured store: Rosenblum and Ousterhout, 1992).
 */
export class TextStore {
  readonly #owner: TextOwner
  readonly #pages: Buffer[] = []
  /** The same bytes by four: so texts are moved without a call for each. */
  readonly #words: Int32Array[] = []
  /** By page: bytes of texts that have not been freed, and the number of texts written there. */
  #used = new Int32Array(16)
  #counts = new Int32Array(16)
  /** By page: it is emptied when fewer bytes are in use; 0: it is the current one, or free. */
  #emptiedBelow = new Int32Array(16)
  /** Bit i of a page: its text i has not been freed. */
  #live = new Int32Array(16 * pageWords)
  /** By address, which is the number of the page and that of the text in it: whose text it is. */
  #ids = new Int32Array(16 * pageTexts)
  /** By address: the text's first byte in its page. */
  #starts = new Uint16Array(16 * pageTexts)
  readonly #freePages: number[] = []
  /** Texts that are too long for a page, by address: those count down from -2. */
  readonly #long = new Map<number, Buffer>()
  #nextLong = -2
  #fewPagesMax = 0
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

  /** Spends room to spare moves while pages are few: for who counts no bytes. */
  spendRoom(): void {
    this.#fewPagesMax = fewPagesMax
  }

  /**
   * Gives a place to `bytes[start .. end)`, the text of an owner that had none; gives its address.
   * The bytes must stay as they are until `flush`.
   */
  add(id: number, bytes: Buffer, start: number, end: number): number {
    const length = end - start
    if (length > sharedBytesMax || length === 0)
      return this.#addLong(Buffer.from(bytes.subarray(start, end)))
    const gap = start - this.#pendingEnd
    const isNext = this.#pending === bytes && gap >= 0 && gap <= gapBytesMax
    if (isNext && this.#hasRoom(gap + length)) {
      this.#end += gap
      this.#pendingEnd = end
    } else {
      this.flush()
      while (!this.#hasRoom(length)) this.#turnPage()
      this.#pending = bytes
      this.#pendingStart = start
      this.#pendingEnd = end
      this.#pendingAt = this.#end
    }
    return this.#note(id, length)
  }

  /** Gives the next place of the current page to a text, which fits there. */
  #note(id: number, length: number): number {
    const page = this.#current
    const index = this.#counts[page] as number
    const address = page * pageTexts + index
    this.#counts[page] = index + 1
    this.#used[page] = (this.#used[page] as number) + length
    this.#live[address >> 5] = (this.#live[address >> 5] as number) | (1 << (index & 31))
    this.#ids[address] = id
    this.#starts[address] = this.#end
    this.#end += length
    return address
  }

  /** Copies what has a place by now: the batch it comes from may be given back. */
  flush(): void {
    if (this.#pending === null) return
    const page = this.#pages[this.#current] as Buffer
    this.#pending.copy(page, this.#pendingAt, this.#pendingStart, this.#pendingEnd)
    this.#pending = null
  }

  /** The text, one char a byte. */
  textAt(address: number, length: number): string {
    if (address < 0) return (this.#long.get(address) as Buffer).toString('latin1')
    const start = this.#starts[address] as number
    const page = address >> pageTextsBits
    if (this.#pending !== null && page === this.#current && start >= this.#pendingAt) {
      // It is still where it came from: a copy of all that waits would be one too many.
      const at = this.#pendingStart + start - this.#pendingAt
      return this.#pending.toString('latin1', at, at + length)
    }
    return (this.#pages[page] as Buffer).toString('latin1', start, start + length)
  }

  /** Writes the text with its length. */
  write(address: number, length: number, out: ByteWriter): void {
    if (address < 0) {
      out.bytes(this.#long.get(address) as Buffer, 0, length)
      return
    }
    const start = this.#starts[address] as number
    out.bytes(this.#pageOf(address), start, start + length)
  }

  /** Reads ahead where texts begin; the result means nothing. @see MatchStore.touch */
  touch(addresses: Int32Array, count: number): number {
    let touched = 0
    for (let index = 0; index < count; index++) {
      const address = addresses[index] as number
      if (address < 0) continue
      const words = this.#words[address >> pageTextsBits] as Int32Array
      touched ^= words[(this.#starts[address] as number) >> 2] as number
    }
    return touched
  }

  /** The owner no longer needs its text. */
  free(address: number, length: number): void {
    if (address < 0) {
      this.#long.delete(address)
      return
    }
    const page = address >> pageTextsBits
    const used = (this.#used[page] as number) - length
    this.#used[page] = used
    this.#live[address >> 5] = (this.#live[address >> 5] as number) & ~(1 << (address & 31))
    if (used < (this.#emptiedBelow[page] as number)) this.#empty(page)
  }

  #hasRoom(length: number): boolean {
    return this.#end + length < pageBytes && (this.#counts[this.#current] as number) < pageTexts
  }

  #pageOf(address: number): Buffer {
    const page = address >> pageTextsBits
    if (page === this.#current) this.flush()
    return this.#pages[page] as Buffer
  }

  #addLong(text: Buffer): number {
    this.#long.set(this.#nextLong, text)
    return this.#nextLong--
  }

  #turnPage(): void {
    const left = this.#current
    const written = this.#end
    this.#current = this.#freePages.pop() ?? this.#addPage()
    this.#end = 0
    if (left === -1) return
    const pages = this.#pages.length - this.#freePages.length
    const part = pages > this.#fewPagesMax ? usedPartMin : usedPartMinOfFew
    // Of what was written: where texts are short, a page can be full and have much room.
    this.#emptiedBelow[left] = Math.ceil(written * part)
    if ((this.#used[left] as number) < (this.#emptiedBelow[left] as number)) this.#empty(left)
  }

  #addPage(): number {
    const words = new Int32Array(pageBytes / 4)
    this.#words.push(words)
    const page = this.#pages.push(Buffer.from(words.buffer)) - 1
    if (page === this.#used.length) {
      this.#used = twiceAsLong(this.#used)
      this.#counts = twiceAsLong(this.#counts)
      this.#emptiedBelow = twiceAsLong(this.#emptiedBelow)
      this.#live = twiceAsLong(this.#live)
      this.#ids = twiceAsLong(this.#ids)
      this.#starts = twiceAsLong(this.#starts)
    }
    return page
  }

  /** Moves what is left in a page to the newest one. */
  #empty(page: number): void {
    this.flush()
    this.#emptiedBelow[page] = 0
    for (let word = page * pageWords; word < (page + 1) * pageWords; word++) {
      let live = this.#live[word] as number
      this.#live[word] = 0
      while (live !== 0) {
        const bit = 31 - Math.clz32(live)
        live &= ~(1 << bit)
        const address = word * 32 + bit
        const id = this.#ids[address] as number
        const start = this.#starts[address] as number
        this.#owner.moved(id, this.#move(id, page, start, this.#owner.lengthOf(id)))
      }
    }
    this.#used[page] = 0
    this.#counts[page] = 0
    this.#freePages.push(page)
  }

  /** Copies a text of another page to the newest one: words, with what is beside the text in them. */
  #move(id: number, page: number, start: number, length: number): number {
    const aside = start & 3
    const needed = length + 2 * bytesOfWord
    while (!this.#hasRoom(needed)) this.#turnPage()
    const first = (this.#end + bytesOfWord - 1) >> 2
    const source = this.#words[page] as Int32Array
    const target = this.#words[this.#current] as Int32Array
    const from = start >> 2
    const count = (aside + length + bytesOfWord - 1) >> 2
    for (let word = 0; word < count; word++) target[first + word] = source[from + word] as number
    this.#end = bytesOfWord * first + aside
    return this.#note(id, length)
  }
}

const bytesOfWord = 4
