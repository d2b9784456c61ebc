/** A test of a string with a constant pattern, in linear time. */
export type StringTest =
  | { readonly kind: 'equals'; readonly text: string }
  | { readonly kind: 'prefix'; readonly text: string }
  | { readonly kind: 'suffix'; readonly text: string }
  | { readonly kind: 'contains'; readonly text: string }
  | { readonly kind: 'pattern'; readonly pattern: string; readonly test: (text: string) => boolean }
