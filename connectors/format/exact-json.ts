/** A number by its digits, for what no double holds. */
export class Digits {
  readonly text: string

  /** @param text a number as JSON writes it */
  constructor(text: string) {
    this.text = text
  }
}

/**
 * JSON text of a decoded value. Whole numbers beyond 2^53 (bigint) and decimals (`Digits`) keep all
 * their digits. What JSON has no word for comes as Avro's own JSON has it: bytes as a text with a
 * character a byte, and a value of a union without the name of its branch; and "NaN", "Infinity" and
 * "-Infinity" as texts.
 */
export function exactJson(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? String(value) : `"${value}"`
    case 'bigint':
      return value.toString()
    case 'object':
      return value === null ? 'null' : objectJson(value)
    default:
      return JSON.stringify(value) ?? 'null'
  }
}

function objectJson(value: object): string {
  if (value instanceof Digits) return value.text
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('latin1'))
  if (Array.isArray(value)) return `[${value.map(exactJson).join(',')}]`
  if (isBranch(value)) return exactJson(value.unwrap())
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${exactJson(member)}`,
  )
  return `{${members.join(',')}}`
}

/** How avsc gives a value of a union whose branches could be taken for each other. */
function isBranch(value: object): value is { unwrap(): unknown } {
  return 'unwrap' in value && !Object.hasOwn(value, 'unwrap') && typeof value.unwrap === 'function'
}
