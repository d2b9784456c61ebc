/** Characters that move a cursor, end a line, turn the direction of writing, or are half of one. */
const unprintable = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e' +
    '\\u2066-\\u2069\\ufeff\\ud800-\\udfff]',
  'gu',
)

/** Text of the outside on one line that no terminal and no log can be led astray by, cut to a length. */
export function printable(text: string, lengthMax: number): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text
  return cut.replace(unprintable, (character) => {
    const hex = (character.codePointAt(0) as number).toString(16).padStart(4, '0')
    return `\\u${hex}`
  })
}

/** Text without such characters; a space stands for them. */
export function withoutControls(text: string): string {
  return text.replace(unprintable, ' ').replace(/ {2,}/g, ' ').trim()
}
