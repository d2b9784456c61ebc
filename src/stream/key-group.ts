/** How many key groups a job's state is divided into, and so its greatest parallelism. */
export const defaultMaxParallelism = 128

/**
 * The key group of a key, from the hash of its canonical bytes (`hashKey`). It prefixes keys in
 * stored state, so that state can be divided anew: neither this nor the hash may ever change.
 */
export function keyGroupOf(hash: number, maxParallelism = defaultMaxParallelism): number {
  return (hash >>> 0) % maxParallelism
}

/**
 * The hash of a key's canonical bytes, an unsigned 32-bit integer, the same on every machine:
 * FNV-1a, then MurmurHash3's finaliser, since FNV alone mixes its last bytes badly.
 */
export function hashKey(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = hashSeed
  for (let i = start; i < end; i++) hash = hashByte(hash, bytes[i] as number)
  return finishHash(hash)
}

/** Where `hashKey` begins, for who hashes bytes as it writes them; then `hashByte`, `finishHash`. */
export const hashSeed = 0x811c9dc5

/** The hash with one byte more. */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}

/** What `hashKey` gives, when all bytes are in. */
export function finishHash(all: number): number {
  let hash = Math.imul(all ^ (all >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
