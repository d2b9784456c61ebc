import { DecodeError, tokenizeRecord } from '../decode/record-tokenizer.ts'

/** Why a text is not JSON, and the index in it where that shows. */
export interface JSONFault {
  readonly message: string
  readonly offset: number
}

/** What keeps the text of a `.json` file from being JSON, in words for who writes it; `null`: it is. */
export function jsonFault(text: string): JSONFault | null {
  const mark = text.startsWith(byteOrderMark) ? byteOrderMark.length : 0
  const bytes = Buffer.from(text.slice(mark))
  try {
    tokenizeRecord(bytes, 0, bytes.length)
    return null
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    const before = bytes.toString('utf8', 0, error.at)
    const offset = mark + before.length
    const hint = hintAt(text.charAt(offset), before.trimEnd().endsWith(','))
    return { message: `this is not JSON: ${error.what}; ${hint}`, offset }
  }
}

function hintAt(char: string, isAfterComma: boolean): string {
  if (char === '/' || char === '#') {
    return 'JSON has no comments: name the file `.yaml`, where `#` begins one'
  }
  if (isAfterComma && (char === '}' || char === ']')) return 'no comma follows the last item'
  if (char === '') return 'a bracket or a quotation mark is not closed'
  return 'names and texts stand in double quotes, with commas between; YAML is named `.yaml`'
}

const byteOrderMark = '\ufeff'
