import { type EventText, plainEventText } from './alert.ts'
import type { FieldPath } from './column-batch.ts'
import { textOf } from './event.ts'

/** Stands for a redacted value. */
export const redacted = '[redacted]'

/**
 * What is never shown of a stream's events. An entry is a field's name, wherever it stands in an
 * event, or with dots a path from the event's root that passes through lists.
 */
export class Redaction {
  readonly #names: ReadonlySet<string>
  readonly #paths: ReadonlySet<string>
  /** Names in the longest path: what lies deeper is found by name alone. */
  readonly #depthMax: number

  constructor(fields: readonly string[]) {
    // A name may have dots of its own.
    this.#names = new Set(fields)
    const paths = fields.filter((field) => field.includes('.'))
    this.#paths = new Set(paths)
    this.#depthMax = Math.max(0, ...paths.map((path) => path.split('.').length))
  }

  /** Whether nothing is hidden. */
  get isEmpty(): boolean {
    return this.#names.size === 0
  }

  /** Whether the value at a path may not be shown: it is redacted, or lies in what is. */
  hides(path: FieldPath): boolean {
    return path.some(
      (name, index) => this.#names.has(name) || this.#paths.has(path.slice(0, index + 1).join('.')),
    )
  }

  /** Whether a field of this name may not be shown, wherever it stands. */
  hidesName(name: string): boolean {
    return this.#names.has(name)
  }

  /** JSON text with what is redacted replaced; the rest stands as it was, numbers with all digits. */
  textOf(json: string): string {
    const scan = new RedactingScan(json, (name, path) => {
      return this.#names.has(name) || (path !== null && this.#paths.has(path))
    })
    return scan.run(this.#depthMax)
  }
}

/** An `EventText` that replaces what each stream redacts. */
export function redactingEventText(redact: ReadonlyMap<string, Redaction>): EventText {
  if (redact.size === 0) return plainEventText
  return (event) => {
    const redaction = redact.get(event.split.stream)
    if (redaction === undefined) return plainEventText(event)
    const text = redaction.textOf(textOf(event.raw))
    // Outside of strings only, as no string has a line break: a document is one line.
    return text.replace(/[\r\n]+/g, ' ')
  }
}

/** An object or a list that is being passed through. */
interface Frame {
  readonly isObject: boolean
  /** Path of the value from the root, lists left out; `null` where it is deeper than any entry. */
  readonly path: string | null
  readonly depth: number
}

/** One pass over valid JSON text that copies it, but for hidden values. Without recursion. */
class RedactingScan {
  readonly #json: string
  readonly #isHidden: (name: string, path: string | null) => boolean
  readonly #frames: Frame[] = []
  #at = 0
  #copied = 0
  #out = ''

  constructor(json: string, isHidden: (name: string, path: string | null) => boolean) {
    this.#json = json
    this.#isHidden = isHidden
  }

  run(depthMax: number): string {
    const json = this.#json
    /** Of the value that comes next. */
    let path: string | null = ''
    let depth = 0
    let awaitsName = false
    while (this.#at < json.length) {
      const frame = this.#frames.at(-1)
      switch (json[this.#at]) {
        case '{':
        case '[': {
          const isObject = json[this.#at] === '{'
          this.#frames.push({ isObject, path, depth })
          awaitsName = isObject
          this.#at++
          break
        }
        case '}':
        case ']':
          this.#frames.pop()
          this.#at++
          break
        case ',':
          awaitsName = frame?.isObject ?? false
          if (frame !== undefined) {
            path = frame.path
            depth = frame.depth
          }
          this.#at++
          break
        case '"': {
          const end = endOfString(json, this.#at)
          if (awaitsName && frame !== undefined) {
            const name = nameOf(json.slice(this.#at, end))
            depth = frame.depth + 1
            path = depth > depthMax ? null : frame.depth === 0 ? name : `${frame.path}.${name}`
            awaitsName = false
            this.#at = json.indexOf(':', end) + 1
            if (this.#isHidden(name, path)) this.#replaceValue()
          } else this.#at = end
          break
        }
        default:
          this.#at++
      }
    }
    return this.#out + json.slice(this.#copied)
  }

  #replaceValue(): void {
    const json = this.#json
    let start = this.#at
    while (/\s/.test(json[start] ?? '')) start++
    this.#out += json.slice(this.#copied, start) + JSON.stringify(redacted)
    this.#at = endOfValue(json, start)
    this.#copied = this.#at
  }
}

function nameOf(token: string): string {
  return token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1)
}

/** The index behind a string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1)
  while (end !== -1) {
    let slashes = 0
    while (json[end - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return end + 1
    end = json.indexOf('"', end + 1)
  }
  return json.length
}

/** The index behind a value that begins at `start`. */
function endOfValue(json: string, start: number): number {
  let open = 0
  let at = start
  do {
    const char = json[at]
    if (char === '"') at = endOfString(json, at)
    else {
      if (char === '{' || char === '[') open++
      else if (char === '}' || char === ']') open--
      at++
    }
    if (open === 0 && !/[^\s,}\]]/.test(json[at] ?? ',')) return at
  } while (at < json.length)
  return at
}
