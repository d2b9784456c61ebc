import { KeyEntry } from '../state/keyed-state-backend.ts'
import { noExpiry } from './expiry-bucket.ts'

/** A key's entry in memory, with the place of its newest record in the log. */
export class StoredEntry extends KeyEntry {
  /** -1: there is no record. */
  recordPage = -1
  recordSlot = 0
  /** Bucket (`expiryBucketOf`) from whose end on the record says nothing. */
  recordExpiry = noExpiry
}
