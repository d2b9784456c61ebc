import { KeyEntry } from '../state/keyed-state-backend.ts'
import { noExpiry } from './expiry-bucket.ts'

/** There is no record, nor one that has run out and is known still. */
export const neverRecorded = -2

/** A key's entry in memory, with the place of its newest record in the log. */
export class StoredEntry extends KeyEntry {
  /** -1: there is no record; or `neverRecorded`. */
  recordPage = -1
  recordSlot = 0
  /** Bucket (`expiryBucketOf`) from whose end on the record says nothing. */
  recordExpiry = noExpiry
}
