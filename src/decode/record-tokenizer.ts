import { ValueKind } from '../stream/column-batch.ts'

/** Objects and arrays may lie in each other so many levels deep; the record itself is the first. */
export const recordDepthMax = 1_000

/** One JSON value of a record and where its bytes are. */
export interface RecordToken {
  readonly kind: ValueKind
  /** First byte, inside the quotes of a string. */
  readonly start: number
  /** One past the last byte, inside the quotes of a string. */
  readonly end: number
  /** The members of an object, the last of equal names; `null` for all else. */
  readonly members: ReadonlyMap<string, RecordToken> | null
}

/** The record is not what JSON, or our limit of depth, allows. */
export class DecodeError extends Error {
  readonly what: string
  /** The byte, counted from the start of the record. */
  readonly at: number

  constructor(what: string, at: number) {
    super(`${what} at byte ${at}`)
    this.name = 'DecodeError'
    this.what = what
    this.at = at
  }
}

/**
 * Finds every value of a JSON text in its bytes, as plainly as can be: it is the reference for
 * positions, and says what is wrong with a record that was refused.
 * @throws {DecodeError} with the byte counted from the start of the record.
 */
export function tokenizeRecord(bytes: Buffer, start: number, end: number): RecordToken {
  const tokenizer = new Tokenizer(bytes.subarray(start, end))
  const token = tokenizer.value(0)
  tokenizer.skipSpace()
  if (!tokenizer.atEnd()) throw tokenizer.unexpected()
  return shifted(token, start)
}

function shifted(token: RecordToken, by: number): RecordToken {
  const members =
    token.members && new Map([...token.members].map(([name, value]) => [name, shifted(value, by)]))
  return { kind: token.kind, start: token.start + by, end: token.end + by, members }
}

class Tokenizer {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  value(depth: number): RecordToken {
    this.skipSpace()
    const start = this.#at
    switch (this.#char()) {
      case '{':
        return this.#object(depth + 1)
      case '[':
        return this.#array(depth + 1)
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', ValueKind.true)
      case 'f':
        return this.#word('false', ValueKind.false)
      case 'n':
        return this.#word('null', ValueKind.null)
      default:
        this.#number()
        return { kind: ValueKind.number, start, end: this.#at, members: null }
    }
  }

  skipSpace(): void {
    while (/[ \t\n\r]/.test(this.#char())) this.#at++
  }

  atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  unexpected(): DecodeError {
    if (this.atEnd()) return new DecodeError('unexpected end', this.#at)
    const byte = this.#bytes[this.#at] as number
    const printable = byte > 0x20 && byte < 0x7f
    const shown = printable ? `'${String.fromCharCode(byte)}'` : `0x${byte.toString(16)}`
    return new DecodeError(`unexpected ${shown}`, this.#at)
  }

  #object(depth: number): RecordToken {
    const start = this.#open(depth)
    const members = new Map<string, RecordToken>()
    this.skipSpace()
    while (this.#char() !== '}') {
      if (members.size > 0) this.#comma()
      if (this.#char() !== '"') throw this.unexpected()
      const name = this.#string()
      this.skipSpace()
      this.#expect(':')
      members.set(JSON.parse(this.#quoted(name)), this.value(depth))
      this.skipSpace()
    }
    this.#at++
    return { kind: ValueKind.object, start, end: this.#at, members }
  }

  #array(depth: number): RecordToken {
    const start = this.#open(depth)
    this.skipSpace()
    for (let length = 0; this.#char() !== ']'; length++) {
      if (length > 0) this.#comma()
      this.value(depth)
      this.skipSpace()
    }
    this.#at++
    return { kind: ValueKind.array, start, end: this.#at, members: null }
  }

  #open(depth: number): number {
    if (depth > recordDepthMax) {
      throw new DecodeError(`more than ${recordDepthMax} levels of nesting`, this.#at)
    }
    return this.#at++
  }

  #comma(): void {
    this.#expect(',')
    this.skipSpace()
  }

  #string(): RecordToken {
    const start = ++this.#at
    let kind: ValueKind = ValueKind.string
    while (this.#char() !== '"') {
      const byte = this.#bytes[this.#at]
      if (byte === undefined || byte < 0x20) throw this.unexpected()
      if (byte === 0x5c) this.#escape()
      else this.#at++
      if (byte === 0x5c || byte >= 0x80) kind = ValueKind.escapedString
    }
    return { kind, start, end: this.#at++, members: null }
  }

  #escape(): void {
    this.#at++
    if (!/["\\/bfnrtu]/.test(this.#char())) throw this.unexpected()
    const digits = this.#char() === 'u' ? 4 : 0
    this.#at++
    for (let i = 0; i < digits; i++, this.#at++) {
      if (!/[0-9a-fA-F]/.test(this.#char())) throw this.unexpected()
    }
  }

  #number(): void {
    if (this.#char() === '-') this.#at++
    if (this.#char() === '0') this.#at++
    else this.#digits()
    if (this.#char() === '.') {
      this.#at++
      this.#digits()
    }
    if (/[eE]/.test(this.#char())) {
      this.#at++
      if (/[+-]/.test(this.#char())) this.#at++
      this.#digits()
    }
  }

  #digits(): void {
    if (!/[0-9]/.test(this.#char())) throw this.unexpected()
    while (/[0-9]/.test(this.#char())) this.#at++
  }

  #word(word: string, kind: ValueKind): RecordToken {
    const start = this.#at
    for (const char of word) this.#expect(char)
    return { kind, start, end: this.#at, members: null }
  }

  #expect(char: string): void {
    if (this.#char() !== char) throw this.unexpected()
    this.#at++
  }

  /** The byte as a char; empty at the end, which equals and matches nothing. */
  #char(): string {
    return this.atEnd() ? '' : String.fromCharCode(this.#bytes[this.#at] as number)
  }

  #quoted(string: RecordToken): string {
    return `"${this.#bytes.toString('utf8', string.start, string.end)}"`
  }
}
