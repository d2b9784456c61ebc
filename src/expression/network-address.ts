/**
 * Whether an IP address lies in a CIDR block (IPv4 or IPv6; an IPv4-mapped IPv6 address counts as
 * IPv4); `undefined`, CEL's error, where one of them is malformed.
 */
export function cidrContains(cidr: unknown, address: unknown): boolean | undefined {
  if (typeof cidr !== 'string' || typeof address !== 'string') return undefined
  const slash = cidr.lastIndexOf('/')
  const network = parseAddress(slash === -1 ? cidr : cidr.slice(0, slash))
  const candidate = parseAddress(address)
  if (network === undefined || candidate === undefined) return undefined
  const wordBits = network.length === 4 ? 8 : 16
  const allBits = wordBits * network.length
  const bits = slash === -1 ? allBits : parseBits(cidr.slice(slash + 1))
  if (bits === undefined || bits > allBits) return undefined
  return network.length === candidate.length && samePrefix(network, candidate, bits, wordBits)
}

function parseBits(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) ? Number(text) : undefined
}

function samePrefix(
  left: readonly number[],
  right: readonly number[],
  bits: number,
  wordBits: number,
): boolean {
  for (let word = 0, rest = bits; rest > 0; word++, rest -= wordBits) {
    const shift = Math.max(0, wordBits - rest)
    if ((left[word] ?? 0) >> shift !== (right[word] ?? 0) >> shift) return false
  }
  return true
}

/** Four bytes of an IPv4 address, or eight 16-bit words of an IPv6 address. */
function parseAddress(text: string): readonly number[] | undefined {
  if (text.length > 45) return undefined
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text)
}

function parseIPv4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = parts.map((part) => (/^(?:0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256))
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

function parseIPv6(text: string): readonly number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseWords(halves[0] ?? '')
  const tail = halves.length === 2 ? parseWords(halves[1] ?? '') : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const words = [...head, ...new Array<number>(missing).fill(0), ...tail]
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  return mapped ? words.slice(6).flatMap((word) => [word >> 8, word & 255]) : words
}

function parseWords(text: string): number[] | undefined {
  if (text === '') return []
  const words: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      words.push(Number.parseInt(part, 16))
      continue
    }
    const bytes = index === parts.length - 1 ? parseIPv4(part) : undefined
    if (bytes === undefined) return undefined
    const [a = 0, b = 0, c = 0, d = 0] = bytes
    words.push((a << 8) | b, (c << 8) | d)
  }
  return words
}
