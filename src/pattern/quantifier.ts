import type { Contiguity } from './pattern.ts'

/** How many events an item takes (Flink CEP's Quantifier). */
export type Quantifier =
  | { readonly kind: 'single'; readonly optional: boolean }
  | {
      readonly kind: 'times'
      /** At least 1; "0 or more" is `min: 1` and `optional`. */
      readonly min: number
      /** `null`: that many or more. */
      readonly max: number | null
      readonly optional: boolean
      /** An event that the loop could take is never used by the following step instead. */
      readonly greedy: boolean
      /** Contiguity among the repetitions. */
      readonly inner: Contiguity
      /** Longest time from one repetition to the next; `null` is none. */
      readonly withinMs: number | null
    }

export const single: Quantifier = { kind: 'single', optional: false }
