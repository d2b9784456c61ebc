import { recordDepthMax } from './record-tokenizer.ts'

/*
 * Strict skipping of JSON values in bytes. Every function takes the position of the first byte and
 * gives that of the byte after the value, or -1 where the bytes are not JSON. None looks for the
 * end of the record: what runs past it ends on a byte that fits nothing, or beyond the record,
 * which the caller compares once. `view` is of the same bytes.
 */

/** Skips any value. @param depth how many objects and arrays it lies in. */
export function skipValue(bytes: Uint8Array, view: DataView, at: number, depth: number): number {
  switch (bytes[at]) {
    case 0x22:
      return skipString(bytes, view, at + 1)
    case 0x7b:
      return skipObject(bytes, view, at + 1, depth + 1)
    case 0x5b:
      return skipArray(bytes, view, at + 1, depth + 1)
    case 0x74:
      return skipTrue(bytes, at)
    case 0x66:
      return skipFalse(bytes, at)
    case 0x6e:
      return skipNull(bytes, at)
    default:
      return skipNumber(bytes, at)
  }
}

/** Skips the rest of a string, with its closing quote. @param at the byte after the opening one. */
export function skipString(bytes: Uint8Array, view: DataView, at: number): number {
  const end = endOfPlain(bytes, view, at)
  return bytes[end] === 0x22 ? end + 1 : skipEscapedString(bytes, view, end)
}

/** The first byte from `at` on that does not stand for itself in a string: a quote, say. */
export function endOfPlain(bytes: Uint8Array, view: DataView, at: number): number {
  let end = at
  // Four bytes at a time. A byte's highest bit shows that it is special; what is borrowed from the
  // bytes above makes those special at most that come after the first one.
  for (const last = bytes.length - 4; end <= last; end += 4) {
    const word = view.getInt32(end, true)
    const quote = (word ^ 0x22222222) - 0x01010101
    const backslash = (word ^ 0x5c5c5c5c) - 0x01010101
    const special = (quote | backslash | (word - 0x20202020) | word) & 0x80808080
    if (special !== 0) return end + ((31 - Math.clz32(special & -special)) >> 3)
  }
  while (isSpecial[bytes[end] as number] === 0) end++
  return end
}

/** Skips the rest of a string that has escapes or non-ASCII bytes. Bad UTF-8 is no fault. */
export function skipEscapedString(bytes: Uint8Array, view: DataView, at: number): number {
  let p = at
  for (;;) {
    p = endOfPlain(bytes, view, p)
    const byte = bytes[p] as number
    if (byte === 0x22) return p + 1
    if (byte >= 0x80) p++
    else if (byte === 0x5c) {
      p = skipEscape(bytes, p + 1)
      if (p < 0) return -1
    } else return -1
  }
}

export function skipSpace(bytes: Uint8Array, at: number): number {
  let p = at
  let byte = bytes[p]
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++p]
  return p
}

/** Skips the rest of an object. @param at the byte after the brace. @param depth its own level. */
export function skipObject(bytes: Uint8Array, view: DataView, at: number, depth: number): number {
  if (depth > recordDepthMax) return -1
  let p = skipSpace(bytes, at)
  if (bytes[p] === 0x7d) return p + 1
  for (;;) {
    if (bytes[p] !== 0x22) return -1
    p = skipString(bytes, view, p + 1)
    if (p < 0) return -1
    p = skipSpace(bytes, p)
    if (bytes[p] !== 0x3a) return -1
    p = skipValue(bytes, view, skipSpace(bytes, p + 1), depth)
    if (p < 0) return -1
    p = skipSpace(bytes, p)
    if (bytes[p] === 0x7d) return p + 1
    if (bytes[p] !== 0x2c) return -1
    p = skipSpace(bytes, p + 1)
  }
}

/** Skips the rest of an array. @param at the byte after the bracket. @param depth its own level. */
export function skipArray(bytes: Uint8Array, view: DataView, at: number, depth: number): number {
  if (depth > recordDepthMax) return -1
  let p = skipSpace(bytes, at)
  if (bytes[p] === 0x5d) return p + 1
  for (;;) {
    p = skipValue(bytes, view, p, depth)
    if (p < 0) return -1
    p = skipSpace(bytes, p)
    if (bytes[p] === 0x5d) return p + 1
    if (bytes[p] !== 0x2c) return -1
    p = skipSpace(bytes, p + 1)
  }
}

export function skipNumber(bytes: Uint8Array, at: number): number {
  let p = bytes[at] === 0x2d ? at + 1 : at
  if (bytes[p] === 0x30) p++
  else p = skipDigits(bytes, p)
  if (p >= 0 && bytes[p] === 0x2e) p = skipDigits(bytes, p + 1)
  return p < 0 ? -1 : skipExponent(bytes, p)
}

/** Skips the exponent of a number, if there is one. */
export function skipExponent(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return at
  const sign = bytes[at + 1]
  return skipDigits(bytes, sign === 0x2b || sign === 0x2d ? at + 2 : at + 1)
}

export function skipTrue(bytes: Uint8Array, at: number): number {
  const fits = bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65
  return fits ? at + 4 : -1
}

export function skipFalse(bytes: Uint8Array, at: number): number {
  const fits = bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73
  return fits && bytes[at + 4] === 0x65 ? at + 5 : -1
}

export function skipNull(bytes: Uint8Array, at: number): number {
  const fits = bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c
  return fits ? at + 4 : -1
}

/** Skips one digit or more. */
function skipDigits(bytes: Uint8Array, at: number): number {
  let p = at
  while (isDigit(bytes[p])) p++
  return p === at ? -1 : p
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function skipEscape(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] as number
  if (byte !== 0x75) return isEscape[byte] === 1 ? at + 1 : -1
  for (let i = 1; i <= 4; i++) {
    if (isHex[bytes[at + i] as number] !== 1) return -1
  }
  return at + 5
}

function bytesThat(holds: (char: string, byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    holds(String.fromCharCode(byte), byte) ? 1 : 0,
  )
}

const isSpecial = bytesThat((char, byte) => byte < 0x20 || byte >= 0x80 || /["\\]/.test(char))
const isEscape = bytesThat((char) => /["\\/bfnrt]/.test(char))
const isHex = bytesThat((char) => /[0-9a-fA-F]/.test(char))
