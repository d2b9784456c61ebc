/**
 * Which partial matches are dropped when a match comes out (Flink CEP's AfterMatchSkipStrategy).
 * `step` is the index of a step of the pattern.
 */
export type AfterMatchSkipStrategy =
  | { readonly kind: 'no_skip' }
  | { readonly kind: 'skip_to_next' }
  | { readonly kind: 'skip_past_last' }
  | { readonly kind: 'skip_to_first'; readonly step: number; readonly throwOnMiss: boolean }
  | { readonly kind: 'skip_to_last'; readonly step: number; readonly throwOnMiss: boolean }
