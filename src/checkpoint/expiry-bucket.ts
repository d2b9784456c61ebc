/** A bucket that never ends. */
export const noExpiry = 0x0fffffff

const expiryBucketMs = 16_384

/** End of a bucket, epoch ms. */
export function expiryEndOf(bucket: number): number {
  return (bucket + 1) * expiryBucketMs
}

/** Coarse event times of expiry: few bits for each of many keys. */
export function expiryBucketOf(timestamp: number): number {
  if (timestamp === Infinity) return noExpiry
  return Math.min(noExpiry - 1, Math.max(0, Math.floor(timestamp / expiryBucketMs)))
}

/** Whether event time, epoch ms, has passed the end of a bucket. */
export function hasExpired(bucket: number, watermark: number): boolean {
  return bucket !== noExpiry && watermark >= expiryEndOf(bucket)
}
