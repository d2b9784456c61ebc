import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isPublicAddress } from './public-address.ts'

/** Asks for all addresses of a host. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** A host leads into a network that webhooks are kept out of. */
export class PrivateAddressError extends Error {
  constructor(hostname: string, address: string) {
    const shown = hostname === address ? address : `${hostname} is ${address}, which`
    super(`${shown} is no address of the public internet; \`allow_private: true\` permits it`)
    this.name = 'PrivateAddressError'
  }
}

/**
 * A `lookup` for sockets that gives only addresses of the public internet. A socket connects to what
 * it gave and asks nobody else, so a name that resolves otherwise the next time (DNS rebinding) is
 * judged anew. One private address among public ones refuses them all: nobody publishes such a list
 * in good faith.
 */
export function guardedLookup(resolve: Resolve = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const refused = addresses?.find(({ address }) => !isPublicAddress(address))
      const [first] = addresses ?? []
      if (error !== null) callback(error, '', 0)
      else if (refused !== undefined) {
        callback(new PrivateAddressError(hostname, refused.address), '', 0)
      } else if (first === undefined) callback(new Error(`${hostname} has no address`), '', 0)
      else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
