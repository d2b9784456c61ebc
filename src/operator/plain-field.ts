/**
 * Finds fields of an event in its text without reading all of it, where that is safe: in a flat
 * object without escapes each quotation mark begins or ends a text, and what stands before a colon is
 * a name of the object's own. Most events are such; for any other the answer is `undefined`.
 */
export class PlainField {
  /** The name in its quotation marks. */
  readonly #name: string
  readonly #beginning: string

  private constructor(name: string) {
    this.#name = `"${name}"`
    this.#beginning = `"${name}":`
  }

  /** @returns `null` where events name a field of the event itself in a way that is not plain */
  static of(name: string): PlainField | null {
    return plainName.test(name) ? new PlainField(name) : null
  }

  /**
   * The text or the number that `JSON.parse` would give; `undefined`: it is to be read in full.
   * @param raw the text of an event, which is a JSON object: one char a byte
   */
  valueIn(raw: string): string | number | undefined {
    const at = raw.indexOf(this.#beginning)
    if (at === -1) return undefined
    const start = at + this.#beginning.length
    // Of several fields of one name the last one counts, however it is written.
    if (raw.indexOf(this.#name, start) !== -1) return undefined
    return raw.charCodeAt(start) === quote ? textAt(raw, start + 1) : numberAt(raw, start)
  }
}

/** Whether fields of an event may be looked for in its text. */
export function isFlat(raw: string): boolean {
  return raw.charCodeAt(0) === openBrace && !raw.includes('{', 1) && !raw.includes('\\')
}

function textAt(raw: string, start: number): string | undefined {
  for (let at = start; at < raw.length; at++) {
    const char = raw.charCodeAt(at)
    if (char === quote) return raw.slice(start, at)
    // Not ASCII: several chars are one then.
    if (char > lastASCII) return undefined
  }
  return undefined
}

function numberAt(raw: string, start: number): number | undefined {
  let at = start
  while (isOfNumber(raw.charCodeAt(at))) at++
  const end = raw.charCodeAt(at)
  if (at === start || (end !== comma && end !== closeBrace)) return undefined
  return Number(raw.slice(start, at))
}

/** What has an exponent is read in full. */
function isOfNumber(char: number): boolean {
  return (char >= 0x30 && char <= 0x39) || char === 0x2d || char === 0x2e
}

/** Names that stand in a text as they are: in ASCII, without escapes. */
const plainName = /^[ !#-[\]-~]+$/

const openBrace = 0x7b
const closeBrace = 0x7d
const comma = 0x2c
const quote = 0x22
const lastASCII = 0x7f
