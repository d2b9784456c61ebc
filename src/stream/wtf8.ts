/**
 * The UTF-8 bytes of a JS string, with lone surrogates as three bytes of their own (WTF-8), where
 * `Buffer.from` would fold them into U+FFFD and make different strings equal.
 */
export function encodeWTF8(text: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text, 'utf8')
  const bytes: number[] = []
  for (const char of text) {
    const code = char.codePointAt(0) as number
    if (isSurrogate(code))
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    else bytes.push(...Buffer.from(char, 'utf8'))
  }
  return Uint8Array.from(bytes)
}

/** The string that `encodeWTF8` gave these bytes for. */
export function decodeWTF8(bytes: Buffer): string {
  let text = ''
  let from = 0
  for (let i = bytes.indexOf(0xed); i >= 0; i = bytes.indexOf(0xed, i + 1)) {
    const second = bytes[i + 1] ?? 0
    // Only surrogates have a second byte from A0 on after ED; ED itself is never a later byte.
    if (second < 0xa0) continue
    text += bytes.toString('utf8', from, i)
    text += String.fromCharCode(0xd000 | ((second & 63) << 6) | ((bytes[i + 2] ?? 0) & 63))
    from = i + 3
  }
  return text + bytes.toString('utf8', from)
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff
}
