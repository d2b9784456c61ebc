import type { TakenEvent } from '../stream/event.ts'

/** What comes out of one step of an NFA; the same object is used again and again. */
export class NFAOutput {
  /** Complete matches in order, each with the time of its last event or of its deadline, epoch ms. */
  readonly matches: { readonly taken: TakenEvent; readonly at: number }[] = []
  /** Partial matches whose time ran out, with the moment it did, epoch ms. */
  readonly timeouts: { readonly taken: TakenEvent; readonly at: number }[] = []
  /** Whether partial matches whose time ran out are wanted: making them objects costs. */
  keepsTimeouts = true
  /** Whether events may open partial matches: those of a rule that is gone only end. */
  opensMatches = true
  /** First events refused because of `limit`. */
  refused = 0
  /** Matches dropped because of `maxMatches`. */
  dropped = 0

  get isEmpty(): boolean {
    const found = this.matches.length + this.timeouts.length
    return found + this.refused + this.dropped === 0
  }

  clear(): void {
    if (this.matches.length > 0) this.matches.length = 0
    if (this.timeouts.length > 0) this.timeouts.length = 0
    this.refused = 0
    this.dropped = 0
  }
}
