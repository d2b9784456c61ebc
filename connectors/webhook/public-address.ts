import { BlockList, isIP } from 'node:net'

/**
 * Whether an IP address belongs to the public internet, so that nobody's own network is meant by it.
 * After IANA's registries of special-purpose addresses; what maps or tunnels IPv4 is none, but for
 * NAT64, which networks without IPv4 need.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !specialIPv4.check(address, 'ipv4')
    case 6: {
      const bytes = bytesOfIPv6(address.replace(/%.*$/, ''))
      if (bytes === undefined) return false
      if (startsWith(bytes, nat64)) return isPublicAddress(bytes.slice(12).join('.'))
      return isGlobalUnicast(bytes)
    }
    default:
      return false
  }
}

const specialIPv4 = blockListOf([
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Link-local, and with it 169.254.169.254, where clouds answer with credentials.
  ['169.254.0.0', 16],
  // Azure's host is reached by a public address.
  ['168.63.129.16', 32],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
])

function blockListOf(ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, 'ipv4')
  return list
}

/** 64:ff9b::/96. */
const nat64 = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]

function isGlobalUnicast(bytes: readonly number[]): boolean {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes
  // 2000::/3 is all that has been given out.
  if (first >> 5 !== 1) return false
  // 2001::/23 (Teredo and others), 2001:db8::/32, 2002::/16 (6to4), 3fff::/20 (documentation).
  if (first === 0x20 && second === 0x01 && third < 2) return false
  if (first === 0x20 && second === 0x01 && third === 0x0d && fourth === 0xb8) return false
  if (first === 0x20 && second === 0x02) return false
  return !(first === 0x3f && second === 0xff && third < 0x10)
}

function startsWith(bytes: readonly number[], prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte)
}

/** The 16 bytes of an address that `isIP` has found to be one. */
function bytesOfIPv6(address: string): number[] | undefined {
  const [head = '', tail] = address.split('::')
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  const missing = 16 - before.length - after.length
  if (missing < 0 || (tail === undefined && missing !== 0)) return undefined
  return [...before, ...Array.from({ length: missing }, () => 0), ...after]
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
