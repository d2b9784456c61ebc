import { assert } from '../errors.ts'
import type { JsonValue } from '../stream/alert.ts'
import { type ArrivedEvent, eventOf } from '../stream/event.ts'
import { deserializeFields, serializeFields } from '../stream/event-fields-form.ts'
import type { MatchStore } from './match-store.ts'
import { isList, type NFAState, none, notStarted } from './nfa-state.ts'
import { listState, openMatchesOf, waitingMatchesOf } from './partial-match.ts'

/** Layout of the form; a change of it is a new number, and a reader for the old one. */
const formVersion = 1

/** `[state, link, start, time of the first event, deadline or null]`; `null` has not started. */
type MatchRow = readonly [number, number, number, number, number | null] | null
/** `[event, step, link before or -1, ordinal]`: events and links by their place in the form. */
type LinkRow = readonly [number, number, number, number]
/** `[stream, partition, offset, time, text, fields]`; a missing field is an empty list. */
type EventRow = readonly [string, number, number, number, string, readonly JsonValue[][]]

type Form = readonly [
  version: number,
  kind: 'one' | 'many',
  open: readonly MatchRow[],
  completed: readonly MatchRow[],
  links: readonly LinkRow[],
  events: readonly EventRow[],
]

/**
 * A key's state as plain JSON data, in the form in which a backend with a disk below keeps it. What
 * partial matches share is in it once. Nothing is said of the pattern: the state goes with the
 * rule's fingerprint.
 */
export function serializeNFAState(state: NFAState, store: MatchStore): JsonValue {
  assert(state !== none, 'a key with nothing open has no form')
  const writer = new FormWriter(store)
  const isOne = !isList(state)
  const matches = isOne ? [state] : openMatchesOf(state, store)
  const open = matches.map((match) => writer.matchRow(match))
  const completed = waitingMatchesOf(state, store).map((match) => writer.matchRow(match))
  const form: Form = [
    formVersion,
    isOne ? 'one' : 'many',
    open,
    completed,
    writer.links,
    writer.events,
  ]
  return form as unknown as JsonValue
}

/** Puts the state that `serializeNFAState` gave this form for into a store. */
export function deserializeNFAState(form: JsonValue, store: MatchStore): NFAState {
  const [version, kind, open, completed, links, events] = form as unknown as Form
  assert(version === formVersion, `state of version ${version} can be read`)
  const arrived = events.map(eventOfRow)
  const ids: (number | undefined)[] = []
  const linkIds: number[] = []
  for (const [event, step, previous, ordinal] of links) {
    const before = previous === none ? none : (linkIds[previous] as number)
    const taken = arrived[event] as ArrivedEvent
    ids[event] ??= store.holdEvent(taken, ordinal)
    linkIds.push(store.addLink(ids[event], taken, step, before))
  }
  const matchOf = (row: MatchRow): number => {
    if (row === null) return notStarted
    // Start and time of the first event follow from the links.
    const [state, link, , , deadline] = row
    const match = store.addMatch(linkIds[link] as number, state)
    return deadline === null ? match : store.withDeadline(match, deadline)
  }
  const heap = open.map(matchOf)
  const waiting = completed.map(matchOf)
  for (const id of ids) if (id !== undefined) store.letGoOfEvent(id)
  return kind === 'one' ? (heap[0] as number) : listState(heap, waiting, store)
}

/** The form with the fields of its events as another operator carries them. */
export function mapEventFields(
  form: JsonValue,
  map: (fields: readonly JsonValue[][], raw: string) => readonly JsonValue[][],
): JsonValue {
  const [version, kind, open, completed, links, events] = form as unknown as Form
  assert(version === formVersion, `state of version ${version} can be read`)
  const mapped = events.map(([stream, partition, offset, timestamp, raw, fields]): EventRow => {
    return [stream, partition, offset, timestamp, raw, map(fields, raw)]
  })
  return [version, kind, open, completed, links, mapped] as unknown as JsonValue
}

/** Numbers links and events as they are first met; a link comes after the one before it. */
class FormWriter {
  readonly links: LinkRow[] = []
  readonly events: EventRow[] = []
  readonly #store: MatchStore
  readonly #links = new Map<number, number>()
  readonly #events = new Map<number, number>()

  constructor(store: MatchStore) {
    this.#store = store
  }

  matchRow(match: number): MatchRow {
    if (match === notStarted) return null
    const store = this.#store
    const deadline = store.deadlineOf(match)
    return [
      store.stateOf(match),
      this.#linkIndex(match),
      store.startOf(match),
      store.firstTimestampOf(match),
      deadline === Infinity ? null : deadline,
    ]
  }

  #linkIndex(last: number): number {
    const unknown: number[] = []
    let link = last
    for (; link !== none && !this.#links.has(link); link = this.#store.previousOf(link)) {
      unknown.push(link)
    }
    for (const next of unknown.reverse()) {
      const previous = this.#store.previousOf(next)
      const row: LinkRow = [
        this.#eventIndex(next),
        this.#store.stepOf(next),
        previous === none ? none : (this.#links.get(previous) as number),
        this.#store.ordinalOf(next),
      ]
      this.#links.set(next, this.links.push(row) - 1)
    }
    return this.#links.get(last) as number
  }

  #eventIndex(link: number): number {
    const id = this.#store.eventIdOf(link)
    const known = this.#events.get(id)
    if (known !== undefined) return known
    const event = this.#store.eventOf(link)
    const { split, offset, timestamp, raw } = event
    const row: EventRow = [
      split.stream,
      split.partition,
      offset,
      timestamp,
      raw,
      serializeFields(event),
    ]
    const index = this.events.push(row) - 1
    this.#events.set(id, index)
    return index
  }
}

function eventOfRow([stream, partition, offset, timestamp, raw, fields]: EventRow): ArrivedEvent {
  const values = deserializeFields(fields)
  return eventOf(timestamp, { stream, partition }, offset, 0, [], values, raw)
}
