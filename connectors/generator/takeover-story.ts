/**
 * An account takeover spans two streams: a login from a new device and a password change in `auth`,
 * then a transfer in `payments`. Both streams plant their part from this one plan, which follows
 * from the story's number alone, so that they agree whatever their other options are.
 */
export interface TakeoverStory {
  readonly user: string
  readonly device: string
  readonly passwordChangeAfterMs: number
  readonly transferAfterMs: number
  readonly amount: number
}

/** From the begin of one takeover to the begin of the next, in both streams. */
export const takeoverPeriodMs = 2 * 60_000

export function takeoverStory(number: number): TakeoverStory {
  return {
    user: `victim-${number}`,
    device: `device-of-thief-${number}`,
    passwordChangeAfterMs: 20_000,
    transferAfterMs: 60_000,
    amount: 1500 + ((number * 373) % 3000),
  }
}
