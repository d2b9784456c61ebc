import type { SplitOrigin } from '../stream/event.ts'

/** What became of a record that did not reach the rules. */
export type RejectionKind =
  /** No event: see `DeadLetterCause`. */
  | 'dead_letter'
  /** At or below its split's watermark as it arrived. */
  | 'late'
  /** Below the combined watermark, which had gone on while its split was idle. */
  | 'late_after_idle'

/** What makes a record a dead letter. */
export type DeadLetterCause =
  /** Longer than its source takes. */
  | 'too_long'
  /** Its source's format cannot make JSON of it. */
  | 'format'
  /** No JSON object. */
  | 'json'
  /** Not as the stream's schema demands. */
  | 'schema'
  /** Without a usable event time. */
  | 'time'
  /** Its event time is too far ahead of its time of ingest. */
  | 'future'
  /** Without the key of a rule or program. */
  | 'key'
  /** A program's `parse` does not take it. */
  | 'parse'

/** A record that was left out, with all that is needed to look into it or to send it again. */
export interface RejectedEvent {
  readonly kind: RejectionKind
  /** Of a dead letter, and of nothing else. */
  readonly cause?: DeadLetterCause
  readonly stream: string
  readonly partition: number
  /** What the outside calls the split. */
  readonly origin?: SplitOrigin
  readonly offset: number
  readonly reason: string
  /** The record's bytes, one char a byte. */
  readonly raw: string
}

/** Where records go that are left out: each is counted and kept. */
export type SideOutput = (rejected: RejectedEvent) => void
