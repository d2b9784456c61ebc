import { assert } from '../errors.ts'
import type { ByteReader } from '../state/byte-reader.ts'
import type { ByteWriter } from '../state/byte-writer.ts'
import { ArrivedEvent, type Split } from '../stream/event.ts'
import { IdNumbering } from './id-numbering.ts'
import type { MatchStore } from './match-store.ts'
import { isList, listOf, type NFAState, none, notStarted } from './nfa-state.ts'
import { listState } from './partial-match.ts'

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
    writeChain(state, store, out)
    return
  }
  out.byte(kindMany)
  const { lists } = store
  const list = listOf(state)
  const open = lists.openCount(list)
  const all = open + lists.waitingCount(list)
  numberShared(list, all, store)
  out.uint(linksOfEvents.length)
  for (const link of linksOfEvents) store.writeEvent(link, out)
  out.uint(linkNumbers.count)
  for (let number = 0; number < linkNumbers.count; number++) {
    const link = linkNumbers.idAt(number)
    writeLink(link, store, out)
    out.uint(eventNumbers.numberOf(store.eventIdOf(link)))
    const previous = store.previousOf(link)
    out.uint(previous === none ? 0 : linkNumbers.numberOf(previous) + 1)
  }
  writeMatches(list, 0, open, store, out)
  writeMatches(list, open, all, store, out)
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

/** Writes the number of some matches of a list, and the matches. */
function writeMatches(
  list: number,
  from: number,
  to: number,
  store: MatchStore,
  out: ByteWriter,
): void {
  out.uint(to - from)
  for (let index = from; index < to; index++) {
    writeMatch(store.lists.matchAt(list, index), store, out, linkNumbers)
  }
}

function writeMatch(
  match: number,
  store: MatchStore,
  out: ByteWriter,
  numbers?: IdNumbering,
): void {
  if (match === notStarted) {
    out.uint(0)
    return
  }
  out.uint(store.stateOf(match) + 1)
  if (numbers !== undefined) out.uint(numbers.numberOf(match))
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

/** Writes the number of links up to one, and the links with their events. */
function writeChain(last: number, store: MatchStore, out: ByteWriter): void {
  chain.length = 0
  for (let link = last; link !== none; link = store.previousOf(link)) chain.push(link)
  out.uint(chain.length)
  for (let link = chain.pop(); link !== undefined; link = chain.pop()) writeTaken(link, store, out)
}

function writeTaken(link: number, store: MatchStore, out: ByteWriter): void {
  writeLink(link, store, out)
  store.writeEvent(link, out)
}

/** Places to work in: what the partial matches of a list have taken, */
const linkNumbers = new IdNumbering()
const eventNumbers = new IdNumbering()
/** and for each event a link that has it. */
const linksOfEvents: number[] = []
/** Links from the last one back. */
const chain: number[] = []

/** Numbers links and events of a list: a link comes after the one before it. */
function numberShared(list: number, matches: number, store: MatchStore): void {
  linkNumbers.clear()
  eventNumbers.clear()
  linksOfEvents.length = 0
  chain.length = 0
  for (let index = 0; index < matches; index++) {
    let link = store.lists.matchAt(list, index)
    if (link === notStarted) continue
    // Those before one that is known are known as well.
    for (; link !== none && linkNumbers.numberOf(link) === -1; link = store.previousOf(link)) {
      chain.push(link)
    }
    for (let added = chain.pop(); added !== undefined; added = chain.pop()) {
      linkNumbers.add(added)
      const event = store.eventIdOf(added)
      if (eventNumbers.numberOf(event) !== -1) continue
      eventNumbers.add(event)
      linksOfEvents.push(added)
    }
  }
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
