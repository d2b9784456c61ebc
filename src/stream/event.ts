/** Where a record came from: one partition (a Kafka partition, a file) of one stream. */
export interface Split {
  readonly stream: string
  readonly partition: number
}

/**
 * An event that was offered to a keyed operator: its identity, its time, the outcome of the unary
 * predicates, the field values that later predicates and the alert read, and its JSON text.
 * It is immutable, and shared by every partial match that took it.
 */
export class Event {
  /** Event time, epoch milliseconds. */
  readonly timestamp: number
  readonly split: Split
  /** Ordinal of the record within its split; with the split it is the event's position. */
  readonly offset: number
  /** Bit i: outcome of the operator's unary predicate i, for the first 32 predicates. */
  readonly predicates: number
  /** The same for predicates from 32 on, 32 to a word. */
  readonly morePredicates: readonly number[]
  /** Values by field slot; `undefined` is a missing field. */
  readonly fields: readonly unknown[]
  /** The record's JSON as latin1-decoded bytes (one char a byte): compact, and lossless. */
  readonly raw: string

  constructor(
    timestamp: number,
    split: Split,
    offset: number,
    predicates: number,
    morePredicates: readonly number[],
    fields: readonly unknown[],
    raw: string,
  ) {
    this.timestamp = timestamp
    this.split = split
    this.offset = offset
    this.predicates = predicates
    this.morePredicates = morePredicates
    this.fields = fields
    this.raw = raw
  }
}

/** One link of a partial match: an event, the step that took it, and what was taken before. */
export interface TakenEvent {
  readonly event: Event
  /** Index of the step in its pattern. */
  readonly step: number
  readonly previous: TakenEvent | null
  /** Ordinal of the event among the events offered to its key. */
  readonly ordinal: number
}
