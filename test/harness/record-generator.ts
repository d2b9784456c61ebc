/** Numbers from 0 up to and without 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** What the generated records are full of, wanted or not. */
export const generatedPaths: readonly (readonly string[])[] = [
  [],
  ['amount'],
  ['card'],
  ['a'],
  ['a', 'b'],
  ['a', 'b', 'c'],
  ['a', 'length'],
  ['__proto__'],
  ['__proto__', 'a'],
  ['constructor'],
  ['length'],
  [''],
  ['é'],
  ['\ud83d\ude00', 'b'],
  ['\ufffd'],
  ['\ud800'],
  ['amount'],
]

/** Records as a hostile world writes them: six in ten are valid JSON objects. */
export class RecordGenerator {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** A number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  record(): Buffer {
    const roll = this.below(100)
    if (roll < 30) return Buffer.from(this.#compact(), 'latin1')
    if (roll < 31) return this.#deep()
    if (roll < 33) return Buffer.from(this.#value(0), 'latin1')
    const record = Buffer.from(this.#space() + this.#object(0) + this.#space(), 'latin1')
    return roll < 50 ? record : this.#mutated(record)
  }

  /** A number that takes many digits to tell apart from its neighbours. */
  decimal(): string {
    const whole = this.#digits(1 + this.below(12)).replace(/^0+(?=.)/, '')
    const sign = this.#chance(0.2) ? '-' : ''
    return `${sign}${whole}${this.#chance(0.9) ? `.${this.#digits(1 + this.below(17))}` : ''}`
  }

  #chance(share: number): boolean {
    return this.#random() < share
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** A few layouts that repeat, so that what was learnt is met again, and now and then broken. */
  #compact(): string {
    const names = this.#pick([
      ['"id"', '"amount"', '"card"', '"a"'],
      ['"id"', '"card"', '"amount"'],
      ['"amount"', '"\\u0061"', '"amount"', '"x"'],
      ['"a"', '"card"', '"a"'],
    ])
    const colon = this.#pick([':', ':', ':', ': '])
    const members = names.map((name) => `${name}${colon}${this.#value(1)}`)
    if (this.#chance(0.1)) members.splice(this.below(members.length), 1)
    return `{${members.join(this.#pick([',', ',', ', ']))}}`
  }

  #deep(): Buffer {
    const levels = this.#pick([998, 999, 1_000, 3_000])
    const [open, close] = this.#pick([
      ['[', ']'],
      ['{"a":', '}'],
      ['{"x":[', ']}'],
    ] as const)
    const times = open.length > 5 ? levels / 2 : levels
    return Buffer.from(`{"a":${open.repeat(times)}1${close.repeat(times)}}`, 'latin1')
  }

  #object(depth: number): string {
    let text = `{${this.#space()}`
    const count = this.below(5)
    for (let i = 0; i < count; i++) {
      if (i > 0) text += `,${this.#space()}`
      text += `${this.#name()}${this.#space()}:${this.#space()}${this.#value(depth + 1)}`
      text += this.#space()
    }
    return `${text}}`
  }

  #array(depth: number): string {
    const values = Array.from({ length: this.below(4) }, () => this.#value(depth + 1))
    return `[${this.#space()}${values.join(`,${this.#space()}`)}${this.#space()}]`
  }

  #value(depth: number): string {
    const roll = this.below(depth > 4 ? 8 : 13)
    if (roll < 3) return this.#number()
    if (roll < 6) return this.#string()
    if (roll < 8) return this.#pick(['true', 'false', 'null'])
    return roll < 12 ? this.#object(depth) : this.#array(depth)
  }

  #name(): string {
    if (this.#chance(0.1)) return this.#string()
    const name = this.#pick(generatedPaths.flat())
    const chars = Array.from({ length: name.length }, (_, i) => {
      const code = name.charCodeAt(i)
      const escaped = `\\u${code.toString(16).padStart(4, '0')}`
      return code > 0x7f || this.#chance(0.1) ? escaped : String.fromCharCode(code)
    })
    const plain = Buffer.from(name, 'utf8').toString('latin1')
    return this.#chance(0.3) ? `"${chars.join('')}"` : `"${plain}"`
  }

  #string(): string {
    let text = '"'
    for (let i = this.below(this.#chance(0.1) ? 60 : 8); i > 0; i--) text += this.#stringPart()
    return `${text}"`
  }

  #stringPart(): string {
    const roll = this.below(20)
    if (roll < 14) return String.fromCharCode(0x23 + this.below(0x39))
    if (roll < 15) return `\\${this.#pick([...'"\\/bfnrt'])}`
    if (roll < 16) return `\\u${this.#pick(['d83d', 'de00', 'D800', '0000', '00e9', '0061'])}`
    if (roll < 17) return '\\ud83d\\ude00'
    if (roll < 18)
      return Buffer.from(this.#pick(['é', '€', '\ud83d\ude00', '\ufeff'])).toString('latin1')
    // Bytes that are no UTF-8: alone, cut off, overlong, a surrogate, beyond the last code point.
    return this.#pick(['\xff', '\xe2\x82', '\x80', '\xc0\xaf', '\xed\xa0\x80', '\xf4\x90\x80\x80'])
  }

  #number(): string {
    const roll = this.below(10)
    if (roll < 3) return this.decimal()
    if (roll < 5) return String(this.below(1_000))
    if (roll < 6) return this.#pick(['-0', '0', '0.0', '-0.0e5', '9007199254740993', '0e999999999'])
    const whole = this.#digits(1 + this.below(20)).replace(/^0+(?=.)/, '')
    const fraction = this.#chance(0.5) ? `.${this.#digits(1 + this.below(20))}` : ''
    const sign = this.#pick(['', '-', '+'])
    const exponent = this.#chance(0.4) ? `${this.#pick(['e', 'E'])}${sign}${this.below(400)}` : ''
    return `${this.#chance(0.3) ? '-' : ''}${whole}${fraction}${exponent}`
  }

  #digits(count: number): string {
    return Array.from({ length: count }, () => this.below(10)).join('')
  }

  #space(): string {
    return this.#chance(0.85) ? '' : this.#pick([' ', '\n', '\t', '\r', ' \n '])
  }

  #mutated(record: Buffer): Buffer {
    const at = this.below(record.length + 1)
    const before = record.subarray(0, at)
    const after = record.subarray(at)
    const part = record.subarray(this.below(record.length + 1)).subarray(0, this.below(12))
    switch (this.below(7)) {
      case 0:
        return before
      case 1:
        return Buffer.concat([before, after.subarray(1)])
      case 2:
        return Buffer.concat([before, Buffer.from([this.below(256)]), after.subarray(1)])
      case 3:
        return Buffer.concat([before, Buffer.from(this.#pick([...'{}[],:"\\0-.eE+ \0'])), after])
      case 4:
        return Buffer.concat([before, part, after])
      case 5:
        return Buffer.concat([Buffer.from('\ufeff'), record])
      default:
        return Buffer.concat([record, Buffer.from(this.#pick(['}', ' ', 'x', ',', '{}', '\n\n']))])
    }
  }
}
