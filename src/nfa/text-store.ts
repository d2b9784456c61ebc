/** Room comes in units: an address is a number of units from the start of the first page. */
const unitBytes = 32
const pageBytes = 1024 * 1024
const unitsPerPage = pageBytes / unitBytes

/** A longer text has a buffer of its own. */
const sharedBytesMax = 4096

/**
 * The texts of taken events, outside of the garbage collector's sight: pages of bytes with a free
 * list for each length. What is freed is used again for texts of about its length.
 */
export class TextStore {
  readonly #pages: Buffer[] = []
  /** First unit of the last page that no text has had. */
  #nextUnit = 0
  /** Addresses that are free, by number of units. */
  readonly #free: number[][] = []
  /** Texts that are too long for a page, by address: those count down from -1. */
  readonly #long = new Map<number, Buffer>()
  #nextLong = -1

  /** Copies `bytes[start .. end)`; gives its address. */
  add(bytes: Buffer, start: number, end: number): number {
    const length = end - start
    if (length > sharedBytesMax) {
      this.#long.set(this.#nextLong, Buffer.from(bytes.subarray(start, end)))
      return this.#nextLong--
    }
    const units = unitsOf(length)
    const address = this.#free[units]?.pop() ?? this.#take(units)
    const page = this.#pages[Math.floor(address / unitsPerPage)] as Buffer
    bytes.copy(page, (address % unitsPerPage) * unitBytes, start, end)
    return address
  }

  /** The text, one char a byte. */
  textAt(address: number, length: number): string {
    if (address < 0) return (this.#long.get(address) as Buffer).toString('latin1')
    const page = this.#pages[Math.floor(address / unitsPerPage)] as Buffer
    const start = (address % unitsPerPage) * unitBytes
    return page.toString('latin1', start, start + length)
  }

  free(address: number, length: number): void {
    if (address < 0) {
      this.#long.delete(address)
      return
    }
    const units = unitsOf(length)
    while (this.#free.length <= units) this.#free.push([])
    this.#free[units]?.push(address)
  }

  #take(units: number): number {
    const used = this.#nextUnit % unitsPerPage
    if (this.#pages.length === 0 || (used === 0 && this.#isFull()) || used + units > unitsPerPage) {
      this.#nextUnit = this.#pages.length * unitsPerPage
      this.#pages.push(Buffer.allocUnsafeSlow(pageBytes))
    }
    const address = this.#nextUnit
    this.#nextUnit += units
    return address
  }

  #isFull(): boolean {
    return this.#nextUnit === this.#pages.length * unitsPerPage
  }
}

function unitsOf(length: number): number {
  return Math.max(1, Math.ceil(length / unitBytes))
}
