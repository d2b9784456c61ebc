import type { Scalar } from 'yaml'

/**
 * Where character `index` of a scalar's text stands in the file, as an offset: exact for plain,
 * quoted and block scalars, but for characters that folding has made, which stand at the fold.
 */
export function scalarOffset(text: string, scalar: Scalar, index: number): number {
  const [start, end] = scalar.range ?? [0, 0]
  const value = String(scalar.value ?? '')
  switch (scalar.type) {
    case 'BLOCK_LITERAL':
    case 'BLOCK_FOLDED':
      return blockOffset(text, start, end, value, index)
    case 'QUOTE_DOUBLE':
      return foldedOffset(text, start + 1, end - 1, index, escapeLength)
    case 'QUOTE_SINGLE':
      return foldedOffset(text, start + 1, end - 1, index, (at) =>
        text.startsWith("''", at) ? [2, 1] : null,
      )
    default:
      return foldedOffset(text, start, end, index, () => null)
  }
}

/** How many characters of the file an escape at `at` takes, and how many it makes. */
type Escape = (at: number, text: string) => readonly [number, number] | null

/** A run of blanks with line breaks: one break is a space, n are n - 1 breaks. */
const fold = /[ \t]*(?:\r?\n[ \t]*)+/y

function foldedOffset(
  text: string,
  start: number,
  end: number,
  index: number,
  escapeAt: Escape,
): number {
  let at = start
  let made = 0
  while (at < end) {
    const sequence = escapeAt(at, text)
    fold.lastIndex = at
    const run = sequence === null ? (fold.exec(text)?.[0] ?? null) : null
    let taken = 1
    let making = 1
    if (sequence !== null) [taken, making] = sequence
    else if (run !== null) {
      taken = run.length
      making = Math.max(1, run.split('\n').length - 2)
    }
    if (made + making > index) return at
    made += making
    at += taken
  }
  return end
}

/** The escapes of a double-quoted scalar; an escaped line break makes nothing. */
function escapeLength(at: number, text: string): readonly [number, number] | null {
  if (text[at] !== '\\') return null
  const lineBreak = /\\\r?\n[ \t]*/y
  lineBreak.lastIndex = at
  const broken = lineBreak.exec(text)
  if (broken !== null) return [broken[0].length, 0]
  switch (text[at + 1]) {
    case 'x':
      return [4, 1]
    case 'u':
      return [6, 1]
    case 'U':
      return [10, Number.parseInt(text.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1]
    default:
      return [2, 1]
  }
}

/**
 * Walks the file and the text side by side: the indent of each line is passed over, and so are
 * blanks of the file that the text does not have.
 */
function blockOffset(
  text: string,
  start: number,
  end: number,
  value: string,
  index: number,
): number {
  let at = text.indexOf('\n', start) + 1
  if (at === 0) return start
  const indent = indentOf(text.slice(at, end)) - indentOf(value)
  let lineStart = true
  for (let made = 0; at < end; made++) {
    for (; at < end; at++) {
      if (lineStart) {
        for (let n = 0; n < indent && text[at] === ' '; n++) at++
        lineStart = false
      }
      const same = text[at] === value[made] || (text[at] === '\n' && value[made] === ' ')
      if (same || !/\s/.test(text[at] ?? '')) break
      lineStart = text[at] === '\n'
    }
    if (made === index) return at
    lineStart = text[at] === '\n'
    at++
  }
  return end
}

/** Leading spaces of the first line that is not blank. */
function indentOf(text: string): number {
  return /^(?:[ \t]*\r?\n)*( *)/.exec(text)?.[1]?.length ?? 0
}
