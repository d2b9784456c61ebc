/**
 * The hash by which Java's default partitioner chooses a partition, of 32 bits with sign. (That of
 * kafkajs gives the same, in time that grows with the square of the length.)
 */
export function murmur2(data: Uint8Array): number {
  const { length } = data
  let hash = 0x9747b28c ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word = byteAt(data, at) | (byteAt(data, at + 1) << 8)
    word |= (byteAt(data, at + 2) << 16) | (byteAt(data, at + 3) << 24)
    word = Math.imul(word, mixer)
    word = Math.imul(word ^ (word >>> 24), mixer)
    hash = Math.imul(hash, mixer) ^ word
  }
  if (at < length) {
    for (let rest = 0; at + rest < length; rest++) hash ^= byteAt(data, at + rest) << (8 * rest)
    hash = Math.imul(hash, mixer)
  }
  hash = Math.imul(hash ^ (hash >>> 13), mixer)
  return hash ^ (hash >>> 15)
}

const mixer = 0x5bd1e995

function byteAt(data: Uint8Array, at: number): number {
  return data[at] as number
}
