/** Integers for the first bytes of a key beside its hash: most keys have no more. */
export const inlineKeyWords = 6
export const inlineKeyBytes = 4 * inlineKeyWords

/** Low bits decide the place and key groups take hashes modulo a power of two: mix once more. */
export function spread(hash: number): number {
  return hash ^ (hash >>> 15)
}

/** Up to four bytes of a key as an integer, zero where it has ended. */
export function wordAt(arena: Uint8Array, from: number, end: number): number {
  let word = 0
  for (let index = end - 1; index >= from; index--) word = (word << 8) | (arena[index] as number)
  return word
}

export function hasBeginning(
  slots: Int32Array,
  at: number,
  arena: Uint8Array,
  start: number,
  length: number,
): boolean {
  const end = start + Math.min(length, inlineKeyBytes)
  let slot = at
  let from = start
  for (; from + 4 <= end; from += 4, slot++) {
    const word =
      (arena[from] as number) |
      ((arena[from + 1] as number) << 8) |
      ((arena[from + 2] as number) << 16) |
      ((arena[from + 3] as number) << 24)
    if (slots[slot] !== word) return false
  }
  return from === end || slots[slot] === wordAt(arena, from, end)
}

/** Compares what there was no room for. */
export function hasRest(key: string, arena: Uint8Array, start: number): boolean {
  for (let index = inlineKeyBytes; index < key.length; index++) {
    if (key.charCodeAt(index) !== arena[start + index]) return false
  }
  return true
}
