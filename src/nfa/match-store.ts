import { assert } from '../errors.ts'
import type { ByteWriter } from '../state/byte-writer.ts'
import {
  type ArrivedEvent,
  type Event,
  inlineFields,
  type Split,
  type TakenEvent,
} from '../stream/event.ts'
import { twiceAsLong } from '../stream/growing-array.ts'
import { EventStore } from './event-store.ts'

/** Stands for "none" where an id is expected. */
export const none = -1

/** The partial match that has taken nothing: the same for all keys and patterns, never freed. */
export const notStarted = 0

/** Start of the partial match that has taken nothing: after all others. */
const startOfNotStarted = Number.MAX_SAFE_INTEGER

/** Numbers of a partial match: state, link, start, time of the first event, deadline. */
const matchWidth = 5
/** Numbers of a link: event, step, link before, references, ordinal. */
const linkWidth = 5

/**
 * Where the partial matches of an operator live: numbers in a few long arrays, not objects. There
 * may be millions, most of them live long, and each event touches some: as objects they would cost
 * the garbage collector a copy each and the processor a wait for each of their parts.
 *
 * A **partial match** is a state and a link. A **link** is an event, the step that took it and the
 * link before it: a list whose tail is shared by partial matches that branched (D7). Links and
 * events are counted by reference, as in Flink's SharedBuffer; a partial match has one owner.
 */
export class MatchStore {
  #matches = new Float64Array(matchWidth * 1024)
  #freeMatches: number[] = []
  #matchCount = 1
  #links = new Float64Array(linkWidth * 1024)
  readonly #freeLinks: number[] = []
  #linkCount = 0
  readonly #events = new EventStore()
  #ordinals = 0
  /** The event that was taken last: kept while others may take it as well. */
  #lastEvent: ArrivedEvent | null = null
  #lastEventId = none

  constructor() {
    this.#matches.set([none, none, startOfNotStarted, Infinity, Infinity])
  }

  /** Number of partial matches that are stored. */
  get size(): number {
    return this.#matchCount - 1 - this.#freeMatches.length
  }

  /** What partial matches and what they have taken cost, roughly, bytes. */
  get bytes(): number {
    const numbers = this.size * matchWidth + (this.#linkCount - this.#freeLinks.length) * linkWidth
    return 8 * numbers + this.#events.bytes
  }

  /** Stores an event until it is let go of, and as long as links have it; gives its id. */
  holdEvent(event: ArrivedEvent): number {
    const id = this.#events.add(event)
    this.#events.flush()
    return id
  }

  letGoOfEvent(id: number): void {
    this.#events.release(id)
  }

  /** How many ordinals have been given. */
  get ordinals(): number {
    return this.#ordinals
  }

  /** From here on ordinals are greater than those of events in restored states. */
  continueOrdinals(next: number): void {
    this.#ordinals = Math.max(this.#ordinals, next)
  }

  /** The next number in the order of the events that are offered to the operator. */
  nextOrdinal(): number {
    return this.#ordinals++
  }

  /** Index of the state that the partial match waits in. */
  stateOf(match: number): number {
    return this.#matches[match * matchWidth] as number
  }

  linkOf(match: number): number {
    return this.#matches[match * matchWidth + 1] as number
  }

  /** Ordinal of the first event: orders partial matches by their start. */
  startOf(match: number): number {
    return this.#matches[match * matchWidth + 2] as number
  }

  /** Time of the first event, epoch ms: the time limit of the whole runs from there. */
  firstTimestampOf(match: number): number {
    return this.#matches[match * matchWidth + 3] as number
  }

  /** When a time limit completed the match, epoch ms; infinity: an event did. */
  deadlineOf(match: number): number {
    return this.#matches[match * matchWidth + 4] as number
  }

  setDeadline(match: number, deadline: number): void {
    this.#matches[match * matchWidth + 4] = deadline
  }

  /** A new partial match, which shares what `link` has taken. */
  addMatch(state: number, link: number, start: number, firstTimestamp: number): number {
    const match = this.#freeMatches.pop() ?? this.#growMatches()
    const at = match * matchWidth
    this.#matches[at] = state
    this.#matches[at + 1] = link
    this.#matches[at + 2] = start
    this.#matches[at + 3] = firstTimestamp
    this.#matches[at + 4] = Infinity
    this.#retainLink(link)
    return match
  }

  freeMatch(match: number): void {
    if (match === notStarted) return
    this.#freeMatches.push(match)
    this.#freeLink(this.linkOf(match))
  }

  /** A link with no reference yet: the partial match that is made with it is its first. */
  addLink(event: ArrivedEvent, step: number, previous: number, ordinal: number): number {
    return this.addLinkTo(this.#idOf(event), step, previous, ordinal)
  }

  /** The same for an event that is stored. */
  addLinkTo(id: number, step: number, previous: number, ordinal: number): number {
    const link = this.#freeLinks.pop() ?? this.#growLinks()
    const at = link * linkWidth
    this.#events.retain(id)
    this.#links[at] = id
    this.#links[at + 1] = step
    this.#links[at + 2] = previous
    this.#links[at + 3] = 0
    this.#links[at + 4] = ordinal
    if (previous !== none) this.#retainLink(previous)
    return link
  }

  /** What has been taken no longer needs the batches that it came from. */
  flush(): void {
    this.#events.flush()
  }

  stepOf(link: number): number {
    return this.#links[link * linkWidth + 1] as number
  }

  previousOf(link: number): number {
    return this.#links[link * linkWidth + 2] as number
  }

  ordinalOf(link: number): number {
    return this.#links[link * linkWidth + 4] as number
  }

  /** Id of the event: the same for all links that share it. */
  eventIdOf(link: number): number {
    return this.#links[link * linkWidth] as number
  }

  timestampOf(link: number): number {
    return this.#events.timestampOf(this.#links[link * linkWidth] as number)
  }

  /** The event, to be read while the link lives. */
  eventViewOf(link: number): Event {
    return new StoredEvent(this.#events, this.#links[link * linkWidth] as number)
  }

  eventOf(link: number): Event {
    return this.#events.eventOf(this.#links[link * linkWidth] as number)
  }

  /** Writes the event as `nfa-state-bytes.ts` has it. */
  writeEvent(link: number, out: ByteWriter): void {
    this.#events.write(this.#links[link * linkWidth] as number, out)
  }

  /** What a partial match has taken, to be read while it lives; `null`: nothing. */
  viewOf(link: number): TakenEvent | null {
    return link === none ? null : new StoredTakenEvent(this, link)
  }

  /** What a partial match has taken, as objects that outlive it. */
  takenBy(link: number): TakenEvent {
    const links: number[] = []
    for (let at = link; at !== none; at = this.previousOf(at)) links.push(at)
    let taken: TakenEvent | null = null
    for (let index = links.length - 1; index >= 0; index--) {
      const at = links[index] as number
      taken = {
        event: this.eventOf(at),
        step: this.stepOf(at),
        previous: taken,
        ordinal: this.ordinalOf(at),
      }
    }
    assert(taken !== null, 'a match has taken an event')
    return taken
  }

  /**
   * Reads what the next events of some keys will need, so that it is near when they come; the
   * result means nothing. Each loop waits for one kind of memory only, so that the waits overlap.
   * @param ids one partial match of each key; overwritten
   */
  touch(ids: Int32Array, count: number): number {
    const matches = this.#matches
    const links = this.#links
    for (let index = 0; index < count; index++) {
      const link = matches[(ids[index] as number) * matchWidth + 1] as number
      ids[index] = link === none ? 0 : link
    }
    for (let index = 0; index < count; index++) {
      ids[index] = links[(ids[index] as number) * linkWidth] as number
    }
    return this.#events.touch(ids, count)
  }

  #idOf(event: ArrivedEvent): number {
    if (event === this.#lastEvent) return this.#lastEventId
    if (this.#lastEventId !== none) this.#events.release(this.#lastEventId)
    this.#lastEvent = event
    this.#lastEventId = this.#events.add(event)
    return this.#lastEventId
  }

  #retainLink(link: number): void {
    const at = link * linkWidth + 3
    this.#links[at] = (this.#links[at] as number) + 1
  }

  #freeLink(first: number): void {
    let link = first
    while (link !== none) {
      const at = link * linkWidth
      const references = (this.#links[at + 3] as number) - 1
      this.#links[at + 3] = references
      if (references > 0) return
      this.#events.release(this.#links[at] as number)
      this.#freeLinks.push(link)
      link = this.#links[at + 2] as number
    }
  }

  #growMatches(): number {
    const match = this.#matchCount++
    if (this.#matchCount * matchWidth > this.#matches.length)
      this.#matches = twiceAsLong(this.#matches)
    return match
  }

  #growLinks(): number {
    const link = this.#linkCount++
    if (this.#linkCount * linkWidth > this.#links.length) this.#links = twiceAsLong(this.#links)
    return link
  }
}

/** An event as conditions read it: each field from its own column, and only those. */
class StoredEvent implements Event {
  readonly #store: EventStore
  readonly #id: number

  constructor(store: EventStore, id: number) {
    this.#store = store
    this.#id = id
  }

  get timestamp(): number {
    return this.#store.timestampOf(this.#id)
  }

  get split(): Split {
    return this.#store.splitOf(this.#id)
  }

  get offset(): number {
    return this.#store.offsetOf(this.#id)
  }

  /** Predicates are asked of events as they come, not of those that were taken. */
  get predicates(): number {
    return 0
  }

  get morePredicates(): readonly number[] {
    return noWords
  }

  get raw(): string {
    return this.#store.textOf(this.#id)
  }

  get f0(): unknown {
    return this.#store.f0Of(this.#id)
  }

  get f1(): unknown {
    return this.#store.f1Of(this.#id)
  }

  get moreFields(): readonly unknown[] {
    return this.#store.moreOf(this.#id)
  }

  field(slot: number): unknown {
    if (slot === 0) return this.f0
    return slot === 1 ? this.f1 : this.moreFields[slot - inlineFields]
  }
}

/** A link as conditions read it, while its partial match lives. */
class StoredTakenEvent implements TakenEvent {
  readonly #store: MatchStore
  readonly #link: number

  constructor(store: MatchStore, link: number) {
    this.#store = store
    this.#link = link
  }

  get event(): Event {
    return this.#store.eventViewOf(this.#link)
  }

  get step(): number {
    return this.#store.stepOf(this.#link)
  }

  get ordinal(): number {
    return this.#store.ordinalOf(this.#link)
  }

  get previous(): TakenEvent | null {
    return this.#store.viewOf(this.#store.previousOf(this.#link))
  }

  lastOf(step: number): Event | undefined {
    const store = this.#store
    let link = this.#link
    while (link !== none && store.stepOf(link) !== step) link = store.previousOf(link)
    return link === none ? undefined : store.eventViewOf(link)
  }

  countOf(step: number): number {
    const store = this.#store
    let count = 0
    for (let link = this.#link; link !== none; link = store.previousOf(link)) {
      if (store.stepOf(link) === step) count++
    }
    return count
  }
}

const noWords: readonly number[] = []
