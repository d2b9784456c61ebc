import { assert } from '../errors.ts'
import type { ByteReader } from '../state/byte-reader.ts'
import type { ByteWriter } from '../state/byte-writer.ts'
import { ArrivedEvent, type Split } from '../stream/event.ts'
import type { MatchStore } from './match-store.ts'
import { isList, type NFAState, none, notStarted } from './nfa-state.ts'
import { listState, openMatchesOf, waitingMatchesOf } from './partial-match.ts'

/** Layout of the form; a change of it is a new number, and a reader for the old one. */
const formVersion = 2

/** A single partial match that has started: its links follow, first one first. */
const kindOne = 0
/** Several, or such that wait: events and links are numbered, as partial matches share them. */
const kindMany = 1

/**
 * Writes a key's state as bytes, in which a backend with a disk below keeps it. What partial matches
 * share is in it once. Nothing is said of the pattern: the state goes with the rule's fingerprint.
 *
 * | part | content |
 * |---|---|
 * | state | version, kind; then for one: match, number of links, links with their events |
 * | | for many: number of events, events; of links, links; of open matches, matches; of those that wait |
 * | match | 0: has not started; else state + 1, [link,] start, time of the first event, deadline |
 * | link | step, ordinal [, event, link before + 1] |
 * | event | stream, partition, offset, time, text, number of fields, fields |
 */
export function writeNFAState(state: NFAState, store: MatchStore, out: ByteWriter): void {
  assert(state !== none, 'a key with nothing open has no form')
  out.byte(formVersion)
  if (!isList(state)) {
    out.byte(kindOne)
    writeMatch(state, store, out)
    out.uint(lengthOf(state, store))
    writeChain(state, store, out)
    return
  }
  out.byte(kindMany)
  const open = openMatchesOf(state, store)
  const waiting = waitingMatchesOf(state, store)
  const { events, links } = sharedBy([...open, ...waiting], store)
  out.uint(events.size)
  for (const link of events.values()) store.writeEvent(link, out)
  out.uint(links.size)
  const eventIndexes = new Map([...events.keys()].map((event, index) => [event, index]))
  for (const link of links.keys()) {
    writeLink(link, store, out)
    out.uint(eventIndexes.get(store.eventIdOf(link)) as number)
    const previous = store.previousOf(link)
    out.uint(previous === none ? 0 : (links.get(previous) as number) + 1)
  }
  for (const matches of [open, waiting]) {
    out.uint(matches.length)
    for (const match of matches) writeMatch(match, store, out, links)
  }
}

/** Puts the state that `writeNFAState` has written into a store. */
export function readNFAState(from: ByteReader, store: MatchStore): NFAState {
  const version = from.byte()
  assert(version === formVersion, `state of version ${version} can be read`)
  if (from.byte() === kindOne) return readOne(from, store)
  const events = Array.from({ length: from.uint() }, () => readEvent(from))
  const ids: (number | undefined)[] = []
  const links: number[] = []
  for (let count = from.uint(); count > 0; count--) {
    const step = from.uint()
    const ordinal = from.uint()
    const index = from.uint()
    const event = events[index] as ArrivedEvent
    const previous = from.uint()
    const before = previous === 0 ? none : (links[previous - 1] as number)
    ids[index] ??= store.holdEvent(event, ordinal)
    links.push(store.addLink(ids[index], event, step, before))
  }
  const readMatches = () =>
    Array.from({ length: from.uint() }, () => {
      const drawn = readMatch(from, true)
      return drawn === null ? notStarted : addMatch(drawn, links[drawn.link] as number, store)
    })
  const open = readMatches()
  const waiting = readMatches()
  for (const id of ids) if (id !== undefined) store.letGoOfEvent(id)
  return listState(open, waiting, store)
}

function readOne(from: ByteReader, store: MatchStore): NFAState {
  const drawn = readMatch(from, false)
  assert(drawn !== null, 'a single partial match has started')
  let link = none
  for (let count = from.uint(); count > 0; count--) {
    const step = from.uint()
    const ordinal = from.uint()
    const event = readEvent(from)
    const id = store.holdEvent(event, ordinal)
    link = store.addLink(id, event, step, link)
    store.letGoOfEvent(id)
  }
  return addMatch(drawn, link, store)
}

interface DrawnMatch {
  readonly state: number
  readonly link: number
  readonly deadline: number
}

function readMatch(from: ByteReader, isLinked: boolean): DrawnMatch | null {
  const state = from.uint() - 1
  if (state < 0) return null
  const link = isLinked ? from.uint() : none
  // Start and time of the first event follow from the links.
  from.uint()
  from.double()
  return { state, link, deadline: from.byte() === 0 ? Infinity : from.double() }
}

function addMatch({ state, deadline }: DrawnMatch, link: number, store: MatchStore): number {
  const match = store.addMatch(link, state)
  return deadline === Infinity ? match : store.withDeadline(match, deadline)
}

function writeMatch(
  match: number,
  store: MatchStore,
  out: ByteWriter,
  links?: ReadonlyMap<number, number>,
): void {
  if (match === notStarted) {
    out.uint(0)
    return
  }
  out.uint(store.stateOf(match) + 1)
  if (links !== undefined) out.uint(links.get(match) as number)
  out.uint(store.startOf(match))
  out.double(store.firstTimestampOf(match))
  const deadline = store.deadlineOf(match)
  out.byte(deadline === Infinity ? 0 : 1)
  if (deadline !== Infinity) out.double(deadline)
}

function writeLink(link: number, store: MatchStore, out: ByteWriter): void {
  out.uint(store.stepOf(link))
  out.uint(store.ordinalOf(link))
}

/** Writes a link behind those before it, with their events. */
function writeChain(last: number, store: MatchStore, out: ByteWriter): void {
  const before = store.previousOf(last)
  // Most have one link: those need no list.
  const links = before === none ? null : chainOf(before, store)
  for (let index = (links?.length ?? 0) - 1; index >= 0; index--) {
    writeTaken((links as readonly number[])[index] as number, store, out)
  }
  writeTaken(last, store, out)
}

function writeTaken(link: number, store: MatchStore, out: ByteWriter): void {
  writeLink(link, store, out)
  store.writeEvent(link, out)
}

function lengthOf(last: number, store: MatchStore): number {
  let length = 0
  for (let link = last; link !== none; link = store.previousOf(link)) length++
  return length
}

/** A link and those before it, the last one first. */
function chainOf(last: number, store: MatchStore): number[] {
  const links: number[] = []
  for (let link = last; link !== none; link = store.previousOf(link)) links.push(link)
  return links
}

/**
 * What partial matches have taken: each event with one of its links, and each link with its index;
 * a link comes after the one before it.
 */
function sharedBy(matches: readonly number[], store: MatchStore) {
  const events = new Map<number, number>()
  const links = new Map<number, number>()
  for (const match of matches) {
    if (match === notStarted) continue
    for (const link of chainOf(match, store).reverse()) {
      if (links.has(link)) continue
      links.set(link, links.size)
      const event = store.eventIdOf(link)
      if (!events.has(event)) events.set(event, link)
    }
  }
  return { events, links }
}

function readEvent(from: ByteReader): ArrivedEvent {
  const split: Split = { stream: from.text(), partition: from.uint() }
  const offset = from.uint()
  const timestamp = from.double()
  const length = from.uint()
  const textStart = from.at
  from.at += length
  const fields = Array.from({ length: from.uint() }, () => from.value())
  const text = { bytes: from.buffer }
  return new ArrivedEvent(
    timestamp,
    split,
    offset,
    0,
    noWords,
    fields,
    text,
    textStart,
    textStart + length,
  )
}

const noWords: readonly number[] = []
