import type { Event } from '../stream/event.ts'

/**
 * Events that waited when patterns were added, with those that must not see them: events that came with
 * them may have been left out since nobody needed them.
 */
export class HiddenEvents {
  /** There is one only while there is an event in it: most of the time none has to be looked for. */
  #patterns: Map<Event, readonly number[]> | null = null

  add(event: Event, patterns: readonly number[]): void {
    this.#patterns ??= new Map()
    this.#patterns.set(event, patterns)
  }

  /** The patterns that must not see an event. */
  patternsOf(event: Event): readonly number[] {
    return this.#patterns?.get(event) ?? []
  }

  /** The same of an event that comes now; undefined: all may see it. */
  take(event: Event): readonly number[] | undefined {
    if (this.#patterns === null) return undefined
    const hidden = this.#patterns.get(event)
    if (hidden !== undefined) this.#patterns.delete(event)
    if (this.#patterns.size === 0) this.#patterns = null
    return hidden
  }
}
