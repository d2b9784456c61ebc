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
import { EventStore, type EventValues } from './event-store.ts'
import { FieldTags, keptTag, numberTag } from './field-tags.ts'
import {
  eventAt,
  fieldsAt,
  firstTimestampAt,
  linkWidth,
  previousAt,
  referencesAt,
  startAt,
  startOfNotStarted,
  stateAt,
  stepAt,
  tagBits,
  tagMask,
  tagsAt,
  timestampAt,
} from './link-layout.ts'
import { listMatchesTouched, MatchLists } from './match-lists.ts'
import { deferred, isList, listOf, none, notStarted } from './nfa-state.ts'

/** So many links are read ahead at once. */
const touchedMax = 2048

/**
 * Where the partial matches of an operator live: numbers in a few long arrays, not objects. There
 * may be millions, most of them live long, and each event touches some: as objects they would cost
 * the garbage collector a copy each and the processor a wait for each of their parts.
 *
 * A **link** is an event, the step that took it and the link before it: a list whose tail is shared
 * by partial matches that branched (D7). A **partial match** is the last link of what it has taken,
 * which has its state too; where several end in the same link in other states, the others get a
 * link that is the same but for that. Links and events are counted by reference, as in Flink's
 * SharedBuffer.
 */
export class MatchStore {
  /** The partial matches of keys that have several. */
  readonly lists = new MatchLists()
  #doubles = new Float64Array(linkWidth * 1024)
  #integers = new Int32Array(this.#doubles.buffer)
  readonly #freeLinks: number[] = []
  /** The first link is that of the partial match that has not started. */
  #linkCount = 1
  readonly #tags = new FieldTags()
  /** Field slots of links that have no tag, as far as there are such: two a link. */
  readonly #kept: unknown[] = []
  /** When a time limit completed a match that waits, epoch ms. */
  readonly #deadlines = new Map<number, number>()
  readonly #events = new EventStore()
  /** A place to work in: links, then events, that are read ahead. */
  readonly #touched = new Int32Array(touchedMax)
  /** Keeps loads from being optimised away. */
  #lookedAt = 0
  #ordinals = 0
  /** The event that is offered: kept once it is taken, as others may take it as well. */
  #offered: ArrivedEvent | null = null
  #offeredOrdinal = 0
  #offeredId = none

  constructor() {
    this.#doubles.set([Infinity, Infinity, startOfNotStarted], timestampAt)
    this.#integers.set([none, none, 1, none, none, 0], eventAt)
  }

  /** Number of links that are stored: none where no partial match is open. */
  get size(): number {
    return this.#linkCount - 1 - this.#freeLinks.length
  }

  /** What partial matches and what they have taken cost, roughly, bytes. */
  get bytes(): number {
    return 8 * linkWidth * this.size + this.lists.bytes + this.#events.bytes
  }

  /** Spends some room for speed: for who counts no bytes. */
  spendRoom(): void {
    this.#events.spendRoom()
  }

  /** Stores an event until it is let go of, and as long as links have it; gives its id. */
  holdEvent(event: ArrivedEvent, ordinal: number): number {
    const id = this.#events.add(event, ordinal)
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

  /** Says which event partial matches may take from now on. */
  offer(event: ArrivedEvent): void {
    if (event !== this.#offered) this.#offerAs(event, this.#ordinals++, none)
  }

  /** @param id of the event where it is stored, with a reference for as long as it is offered */
  #offerAs(event: ArrivedEvent | null, ordinal: number, id: number): void {
    if (this.#offeredId !== none) this.#events.release(this.#offeredId)
    this.#offered = event
    this.#offeredOrdinal = ordinal
    this.#offeredId = id
  }

  /** Index of the state that the partial match waits in. */
  stateOf(match: number): number {
    return this.#integers[2 * match * linkWidth + stateAt] as number
  }

  /** Ordinal of the first event: orders partial matches by their start. */
  startOf(match: number): number {
    return this.#doubles[match * linkWidth + startAt] as number
  }

  /** Time of the first event, epoch ms: the time limit of the whole runs from there. */
  firstTimestampOf(match: number): number {
    return this.#doubles[match * linkWidth + firstTimestampAt] as number
  }

  /** When a time limit completed the match, epoch ms; infinity: an event did. */
  deadlineOf(match: number): number {
    return this.#deadlines.size === 0 ? Infinity : (this.#deadlines.get(match) ?? Infinity)
  }

  /** @returns the partial match with its deadline, in place of the one given */
  withDeadline(match: number, deadline: number): number {
    const isShared = (this.#integers[2 * match * linkWidth + referencesAt] as number) > 1
    const own = isShared ? this.#copyLink(match, this.stateOf(match)) : match
    if (isShared) this.freeMatch(match)
    this.#deadlines.set(own, deadline)
    return own
  }

  /** A partial match that takes the event that is offered. */
  take(previous: number, step: number, state: number): number {
    const event = this.#offered as ArrivedEvent
    if (this.#offeredId === none) {
      this.#offeredId = this.#events.add(event, this.#offeredOrdinal)
    }
    const link = this.#addLink(this.#offeredId, event, this.#offeredOrdinal, step, previous)
    this.#integers[2 * link * linkWidth + stateAt] = state
    this.#integers[2 * link * linkWidth + referencesAt] = 1
    return link
  }

  /**
   * Leaves the event that is offered for later, behind those left before; the chain's last link has
   * their number in place of the first ordinal. @see LazyNFA
   */
  defer(previous: number, predicates: number): number {
    const link = this.take(previous, predicates, deferred)
    const before = previous === none ? 0 : this.deferredCount(previous)
    this.#doubles[link * linkWidth + startAt] = before + 1
    if (previous !== none) this.freeMatch(previous)
    return link
  }

  /** How many events were left for later, up to this one. */
  deferredCount(link: number): number {
    return this.#doubles[link * linkWidth + startAt] as number
  }

  /** Lets go of those left for later whose time is up to `timestamp`, epoch ms; not of the last one. */
  cutDeferred(last: number, timestamp: number): void {
    let link = last
    let count = 1
    for (;;) {
      const previous = this.previousOf(link)
      if (previous === none || this.timestampOf(previous) <= timestamp) break
      link = previous
      count++
    }
    const cut = this.previousOf(link)
    this.#integers[2 * link * linkWidth + previousAt] = none
    if (cut !== none) this.freeMatch(cut)
    this.#doubles[last * linkWidth + firstTimestampAt] = this.timestampOf(link)
    this.#doubles[last * linkWidth + startAt] = count
  }

  /** Offers an event that was left for later, with the ordinal that it had. */
  offerDeferred(link: number): ArrivedEvent {
    const id = this.eventIdOf(link)
    const event = this.#events.arrivedEventOf(id, this.#valuesOf(link), this.stepOf(link))
    this.#events.retain(id)
    this.#offerAs(event, this.#events.ordinalOf(id), id)
    return event
  }

  /** Puts aside what is offered, to be offered again. */
  holdOffered(): OfferedEvent {
    const held = {
      event: this.#offered,
      ordinal: this.#offeredOrdinal,
      id: this.#offeredId,
    }
    this.#offered = null
    this.#offeredId = none
    return held
  }

  /** Offers what was put aside, and nothing else any more. */
  offerHeld({ event, ordinal, id }: OfferedEvent): void {
    this.#offerAs(event, ordinal, id)
  }

  /** A link with an event that is held; partial matches that end there are to be added. */
  addLink(id: number, event: ArrivedEvent, step: number, previous: number): number {
    return this.#addLink(id, event, this.#events.ordinalOf(id), step, previous)
  }

  /** A further partial match, which has taken what `link` has, in a state that may be another. */
  addMatch(link: number, state: number): number {
    const at = 2 * link * linkWidth
    const known = this.#integers[at + stateAt] as number
    if (known !== none && known !== state) return this.#copyLink(link, state)
    this.#integers[at + stateAt] = state
    this.#retainLink(link)
    return link
  }

  freeMatch(match: number): void {
    let link = match
    while (link > notStarted) {
      const at = 2 * link * linkWidth
      const references = (this.#integers[at + referencesAt] as number) - 1
      this.#integers[at + referencesAt] = references
      if (references > 0) return
      this.#events.release(this.#integers[at + eventAt] as number)
      if (this.#deadlines.size > 0) this.#deadlines.delete(link)
      this.#freeLinks.push(link)
      link = this.#integers[at + previousAt] as number
    }
  }

  /** What has been taken no longer needs the batches that it came from. */
  flush(): void {
    this.#events.flush()
  }

  stepOf(link: number): number {
    return this.#integers[2 * link * linkWidth + stepAt] as number
  }

  previousOf(link: number): number {
    return this.#integers[2 * link * linkWidth + previousAt] as number
  }

  ordinalOf(link: number): number {
    return this.#events.ordinalOf(this.eventIdOf(link))
  }

  /** Id of the event: the same for all links that share it. */
  eventIdOf(link: number): number {
    return this.#integers[2 * link * linkWidth + eventAt] as number
  }

  timestampOf(link: number): number {
    return this.#doubles[link * linkWidth + timestampAt] as number
  }

  splitOf(link: number): Split {
    return this.#events.splitOf(this.eventIdOf(link))
  }

  offsetOf(link: number): number {
    return this.#events.offsetOf(this.eventIdOf(link))
  }

  textOf(link: number): string {
    return this.#events.textOf(this.eventIdOf(link))
  }

  moreFieldsOf(link: number): readonly unknown[] {
    return this.#events.moreOf(this.eventIdOf(link))
  }

  /** The value of a field slot of the link's event; `undefined` is a missing field. */
  fieldOf(link: number, slot: number): unknown {
    if (slot >= inlineFields) return this.moreFieldsOf(link)[slot - inlineFields]
    const tags = this.#integers[2 * link * linkWidth + tagsAt] as number
    const tag = slot === 0 ? tags & tagMask : tags >>> tagBits
    if (tag === numberTag) return this.#doubles[link * linkWidth + fieldsAt + slot]
    return tag === keptTag ? this.#kept[link * inlineFields + slot] : this.#tags.valueOf(tag)
  }

  /** The last link of those up to `link` whose event a step took; `none`: it took none. */
  lastOf(step: number, link: number): number {
    const integers = this.#integers
    let at = link
    while (at !== none && integers[2 * at * linkWidth + stepAt] !== step) {
      at = integers[2 * at * linkWidth + previousAt] as number
    }
    return at
  }

  /** How many of the links up to `link` have events that a step took. */
  countOf(step: number, link: number): number {
    const integers = this.#integers
    let count = 0
    for (let at = link; at !== none; at = integers[2 * at * linkWidth + previousAt] as number) {
      if (integers[2 * at * linkWidth + stepAt] === step) count++
    }
    return count
  }

  eventOf(link: number): Event {
    return this.#events.eventOf(this.eventIdOf(link), this.#valuesOf(link))
  }

  /** Writes the event as `nfa-state-bytes.ts` has it. */
  writeEvent(link: number, out: ByteWriter): void {
    const id = this.eventIdOf(link)
    this.#events.write(
      id,
      this.timestampOf(link),
      this.fieldOf(link, 0),
      this.fieldOf(link, 1),
      out,
    )
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
   * result means nothing. Each loop waits for one kind of memory only, so that the waits overlap,
   * and goes no way that depends on what it reads: a way guessed wrongly ends the overlap.
   * @param states what one rule knows of each key
   */
  touch(states: Int32Array, count: number): number {
    const events = this.#touchLinks(states, count)
    return this.#lookedAt ^ this.#events.touch(this.#touched, events)
  }

  /** The same of keys that will be written: also the texts of their events. */
  touchAll(states: Int32Array, count: number): number {
    const events = this.#touchLinks(states, count)
    this.#events.touch(this.#touched, events)
    return this.#events.touchTexts(this.#touched, events)
  }

  /** @returns the number of their events, which `#touched` has */
  #touchLinks(states: Int32Array, count: number): number {
    const ids = this.#touched
    this.#lookedAt = this.lists.touch(states, count)
    let end = 0
    for (let index = 0; index < count; index++) {
      const state = states[index] as number
      if (state > notStarted) ids[end++] = state
      else if (isList(state)) end = this.lists.copyFirst(listOf(state), ids, end)
      if (end + listMatchesTouched > touchedMax) break
    }
    const integers = this.#integers
    const links = end
    let touched = 0
    for (let index = 0; index < links; index++) {
      touched ^= integers[2 * (ids[index] as number) * linkWidth + eventAt] as number
    }
    this.#lookedAt ^= touched
    for (let index = 0; index < links; index++) {
      const at = 2 * (ids[index] as number) * linkWidth
      ids[index] = integers[at + eventAt] as number
      const previous = integers[at + previousAt] as number
      if (previous !== none && end < touchedMax) ids[end++] = previous
    }
    for (let index = links; index < end; index++) {
      ids[index] = integers[2 * (ids[index] as number) * linkWidth + eventAt] as number
    }
    return end
  }

  #valuesOf(link: number): EventValues {
    const timestamp = this.timestampOf(link)
    return { timestamp, f0: this.fieldOf(link, 0), f1: this.fieldOf(link, 1) }
  }

  /** A link in no state and with no reference yet. */
  #addLink(
    id: number,
    event: ArrivedEvent,
    ordinal: number,
    step: number,
    previous: number,
  ): number {
    const link = this.#freeLinks.pop() ?? this.#growLinks()
    const at = link * linkWidth
    const { timestamp } = event
    const isFirst = previous === none
    this.#doubles[at + timestampAt] = timestamp
    this.#doubles[at + firstTimestampAt] = isFirst ? timestamp : this.firstTimestampOf(previous)
    this.#doubles[at + startAt] = isFirst ? ordinal : this.startOf(previous)
    const integers = this.#integers
    integers[2 * at + eventAt] = id
    integers[2 * at + previousAt] = previous
    integers[2 * at + referencesAt] = 0
    integers[2 * at + stateAt] = none
    integers[2 * at + stepAt] = step
    integers[2 * at + tagsAt] =
      this.#setField(link, 0, event.f0) | (this.#setField(link, 1, event.f1) << tagBits)
    this.#events.retain(id)
    if (!isFirst) this.#retainLink(previous)
    return link
  }

  /** @returns the tag of the value */
  #setField(link: number, slot: number, value: unknown): number {
    if (typeof value === 'number') {
      this.#doubles[link * linkWidth + fieldsAt + slot] = value
      return numberTag
    }
    const tag = this.#tags.tagOf(value)
    if (tag === keptTag) {
      const at = link * inlineFields + slot
      while (this.#kept.length < at) this.#kept.push(undefined)
      this.#kept[at] = value
    }
    return tag
  }

  /** The same link for another partial match, in a state of its own. */
  #copyLink(link: number, state: number): number {
    const copy = this.#freeLinks.pop() ?? this.#growLinks()
    const doubles = this.#doubles
    const from = link * linkWidth + timestampAt
    doubles.copyWithin(copy * linkWidth + timestampAt, from, from + linkWidth)
    const at = 2 * copy * linkWidth
    this.#integers[at + referencesAt] = 1
    this.#integers[at + stateAt] = state
    const tags = this.#integers[at + tagsAt] as number
    for (let slot = 0; slot < inlineFields; slot++) {
      const tag = slot === 0 ? tags & tagMask : tags >>> tagBits
      if (tag === keptTag) this.#setField(copy, slot, this.fieldOf(link, slot))
    }
    this.#events.retain(this.#integers[at + eventAt] as number)
    const previous = this.#integers[at + previousAt] as number
    if (previous !== none) this.#retainLink(previous)
    return copy
  }

  #retainLink(link: number): void {
    const at = 2 * link * linkWidth + referencesAt
    this.#integers[at] = (this.#integers[at] as number) + 1
  }

  #growLinks(): number {
    const link = this.#linkCount++
    if (this.#linkCount * linkWidth + timestampAt > this.#doubles.length) {
      this.#doubles = twiceAsLong(this.#doubles)
      this.#integers = new Int32Array(this.#doubles.buffer)
    }
    return link
  }
}

/** An event that partial matches may take, with its id where one has. */
export interface OfferedEvent {
  readonly event: ArrivedEvent | null
  readonly ordinal: number
  readonly id: number
}
