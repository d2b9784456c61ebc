/** Start of the partial match that has taken nothing: after all others. */
export const startOfNotStarted = Number.MAX_SAFE_INTEGER

/**
 * Doubles of a link: time of its event, time and ordinal of the first event, the first two field
 * slots where they hold numbers; then six integers in three. A cache line in all, and that is where
 * a link begins: long arrays begin 16 bytes behind one.
 */
export const linkWidth = 8
export const timestampAt = 6
export const firstTimestampAt = 7
export const startAt = 8
export const fieldsAt = 9
/** The integers, by their place in the same bytes; the tags of both fields share one. */
export const eventAt = 22
export const previousAt = 23
export const referencesAt = 24
export const stateAt = 25
export const stepAt = 26
export const tagsAt = 27

/** Bits of the first field's tag; the second one's lies above. */
export const tagBits = 16
export const tagMask = 2 ** tagBits - 1
