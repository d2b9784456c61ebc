import type { Condition, Pattern } from '../../src/pattern/pattern.ts'
import type { Event, TakenEvent } from '../../src/stream/event.ts'
import { type Slot, type SlotSequence, slotSequencesOf } from './brute-force-slot.ts'

/** When something happens: at an event, or as a time limit runs out, before the events of then. */
export interface Moment {
  readonly timestamp: number
  /** Ordinal of the event; -1 for a time limit. */
  readonly ordinal: number
}

export interface FoundMatch {
  readonly taken: TakenEvent
  readonly start: number
  readonly moment: Moment
}

/** A partial match that waits for one more event, until `end`; `null`: for ever. */
export interface OpenMatch {
  readonly taken: TakenEvent
  readonly start: number
  readonly end: Moment | null
  /** Whether it ends by a time limit. */
  readonly timedOut: boolean
}

/** All that a stream of one key holds of a pattern, if nothing is ever skipped. */
export interface Findings {
  readonly matches: readonly FoundMatch[]
  readonly open: readonly OpenMatch[]
}

/**
 * Finds matches by search, from the definitions: each way through the pattern is written out as a
 * row of slots, and each row is laid over the stream in all ways; what breaks a definition is
 * thrown out. Events must be in order of time. It knows nothing of automata, and leaves out the
 * corners of `cornerOf`; a relaxed negation after a loop guards from the loop's first event on.
 * How many states wait for one partial match is no matter of meaning: `open` may hold it twice.
 */
export function findByBruteForce(pattern: Pattern, events: readonly Event[]): Findings {
  const search = new Search(pattern, events)
  const sequences = slotSequencesOf(pattern.items, events.length + 1)
  for (let start = 0; start < events.length; start++) search.begin(start, sequences)
  return search
}

class Search implements Findings {
  readonly matches: FoundMatch[] = []
  readonly open: OpenMatch[] = []
  readonly #withinMs: number
  readonly #events: readonly Event[]

  constructor(pattern: Pattern, events: readonly Event[]) {
    this.#withinMs = pattern.withinMs ?? Infinity
    this.#events = events
  }

  begin(start: number, sequences: readonly SlotSequence[]): void {
    for (const [slot, rest] of bySlot(sequences, 0)) {
      const event = this.#events[start] as Event
      if (!this.#mayTake(slot, start, null, start)) continue
      this.#extend({ event, step: slot.step.index, previous: null, ordinal: start }, 1, start, rest)
    }
  }

  #extend(
    taken: TakenEvent,
    depth: number,
    start: number,
    sequences: readonly SlotSequence[],
  ): void {
    const ended = sequences.find(({ slots, ending }) => slots.length === depth && ending !== null)
    if (ended !== undefined) this.#end(taken, start, ended)
    for (const [slot, rest] of bySlot(sequences, depth)) {
      const deadline = this.#deadline(taken, start, slot.step.withinMs)
      const end = this.#walk(taken, deadline, (ordinal) => {
        if (this.#mayTake(slot, ordinal, taken, taken.ordinal + 1)) {
          const event = this.#events[ordinal] as Event
          const next = { event, step: slot.step.index, previous: taken, ordinal }
          this.#extend(next, depth + 1, start, rest)
        }
        return this.#maySkip(slot, ordinal, taken)
      })
      this.#leaveOpen(taken, start, end)
    }
  }

  /** Every slot is filled: what trails decides. */
  #end(taken: TakenEvent, start: number, { ending }: SlotSequence): void {
    const last = { timestamp: taken.event.timestamp, ordinal: taken.ordinal }
    const absent = ending?.absent ?? null
    const notNext = ending?.notNext ?? []
    if (absent === null && notNext.length === 0) {
      this.matches.push({ taken, start, moment: last })
    } else if (absent !== null) {
      const deadline = this.#deadline(taken, start, absent.withinMs)
      const end = this.#walk(taken, deadline, (ordinal) => {
        return !this.#fits(absent.condition, ordinal, taken)
      })
      this.open.push({ taken, start, end, timedOut: false })
      if (end !== null && end.ordinal === -1) this.matches.push({ taken, start, moment: end })
    } else {
      const limits = notNext.map(({ withinMs }) => withinMs ?? Infinity)
      const deadline = this.#deadline(taken, start, Math.min(...limits))
      const end = this.#walk(taken, deadline, () => false)
      const fits = notNext.some(
        ({ condition }) =>
          end !== null && end.ordinal !== -1 && this.#fits(condition, end.ordinal, taken),
      )
      this.#leaveOpen(taken, start, end)
      if (end !== null && end.ordinal !== -1 && !fits) {
        this.matches.push({ taken, start, moment: end })
      }
    }
  }

  #leaveOpen(taken: TakenEvent, start: number, end: Moment | null): void {
    this.open.push({ taken, start, end, timedOut: end !== null && end.ordinal === -1 })
  }

  /** Visits the events after the last one taken while `visit` says so; when that ends. */
  #walk(taken: TakenEvent, deadline: number, visit: (ordinal: number) => boolean): Moment | null {
    for (let ordinal = taken.ordinal + 1; ordinal < this.#events.length; ordinal++) {
      const { timestamp } = this.#events[ordinal] as Event
      if (timestamp >= deadline) break
      if (!visit(ordinal)) return { timestamp, ordinal }
    }
    return deadline === Infinity ? null : { timestamp: deadline, ordinal: -1 }
  }

  #deadline(taken: TakenEvent, start: number, stepMs: number | null): number {
    const first = this.#events[start] as Event
    return Math.min(first.timestamp + this.#withinMs, taken.event.timestamp + (stepMs ?? Infinity))
  }

  #mayTake(slot: Slot, ordinal: number, taken: TakenEvent | null, next: number): boolean {
    const conditions = [...slot.until, ...slot.ownUntil]
    return (
      this.#fits(slot.step.condition, ordinal, taken) &&
      !conditions.some((until) => this.#fits(until, ordinal, taken)) &&
      this.#mayPass(slot, ordinal, taken, next)
    )
  }

  #maySkip(slot: Slot, ordinal: number, taken: TakenEvent): boolean {
    if (slot.contiguity === 'strict') return false
    if (slot.contiguity === 'relaxed' && this.#fits(slot.step.condition, ordinal, taken)) {
      return false
    }
    return (
      !slot.absent.some(({ condition }) => this.#fits(condition, ordinal, taken)) &&
      !slot.until.some((until) => this.#fits(until, ordinal, taken)) &&
      this.#mayPass(slot, ordinal, taken, taken.ordinal + 1)
    )
  }

  /** What holds for the events on the way to a slot and for the slot's own event alike. */
  #mayPass(slot: Slot, ordinal: number, taken: TakenEvent | null, next: number): boolean {
    if (ordinal === next && slot.notNext.some((step) => this.#fits(step.condition, ordinal, taken)))
      return false
    return slot.greedy.every(({ condition, until }) => {
      for (let before = next; until !== null && before <= ordinal; before++) {
        if (this.#fits(until, before, taken)) return true
      }
      return !this.#fits(condition, ordinal, taken)
    })
  }

  #fits(condition: Condition | null, ordinal: number, taken: TakenEvent | null): boolean {
    if (condition === null) return true
    const event = this.#events[ordinal] as Event
    const { predicate } = condition
    if (predicate !== null && (event.predicates & (1 << predicate)) === 0) return false
    return condition.kind === 'unary' || condition.test(event, taken)
  }
}

/** The sequences by their slot at `depth`; those that have none there are left out. */
function bySlot(
  sequences: readonly SlotSequence[],
  depth: number,
): Iterable<readonly [Slot, SlotSequence[]]> {
  const found = new Map<string, readonly [Slot, SlotSequence[]]>()
  for (const sequence of sequences) {
    const slot = sequence.slots[depth]
    if (slot === undefined) continue
    const known = found.get(slot.id)
    if (known === undefined) found.set(slot.id, [slot, [sequence]])
    else known[1].push(sequence)
  }
  return found.values()
}
