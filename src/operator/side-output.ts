/** Why a record did not reach the rules. */
export type RejectionKind =
  /** Not decodable, without a usable time, or without the key of a rule. */
  | 'dead_letter'
  /** At or below its split's watermark as it arrived. */
  | 'late'
  /** Below the combined watermark, which had gone on while its split was idle. */
  | 'late_after_idle'

/** A record that was left out, with all that is needed to look into it or to send it again. */
export interface RejectedEvent {
  readonly kind: RejectionKind
  readonly stream: string
  readonly partition: number
  readonly offset: number
  readonly reason: string
  /** The record's bytes, one char a byte. */
  readonly raw: string
}

/** Where records go that are left out: each is counted and kept. */
export type SideOutput = (rejected: RejectedEvent) => void
