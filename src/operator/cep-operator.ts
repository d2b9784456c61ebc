import { DiskKeyedStateBackend } from '../checkpoint/disk-keyed-state-backend.ts'
import { assert } from '../errors.ts'
import type { MatchStore } from '../nfa/match-store.ts'
import { NFAOutput } from '../nfa/nfa-output.ts'
import type { NFAState } from '../nfa/nfa-state.ts'
import { none } from '../nfa/nfa-state.ts'
import type { EntryBackend, NumberEntry } from '../state/keyed-state-backend.ts'
import type { PackedEntry } from '../state/packed-entry.ts'
import { PackedKeyedStateBackend } from '../state/packed-keyed-state-backend.ts'
import type { ArrivedEvent, Event } from '../stream/event.ts'
import { type EventRun, EventTimeSorter, ReleasedEvents } from '../time/event-time-sorter.ts'
import { TimerQueue } from '../time/timer-queue.ts'
import { AdvanceSteps, stretchEvents } from './advance-steps.ts'
import { CepEntryFormat } from './cep-entry-format.ts'
import { byMoment, type CepOutput, type CepResult } from './cep-output.ts'
import { ExpirySweep } from './expiry-sweep.ts'
import { HiddenEvents } from './hidden-events.ts'
import {
  type CepPattern,
  dueOf,
  evaluateAll,
  fits,
  fitsAny,
  isLimited,
  isOpen,
  leastLimitAmong,
  type RunningPattern,
  runningPattern,
  stateOf,
  unseenDueOf,
} from './running-pattern.ts'
import { StretchEntries } from './stretch-entries.ts'

/**
 * When time limits are looked at: at each `deadline`, which makes answers independent of how
 * watermarks arrive; or, as Flink does, only with the key's events and its `watermark`s.
 */
export type TimeLimitMode = 'deadline' | 'watermark'

/**
 * Runs all patterns that share a key and streams (D8) over events in event-time order. A key's
 * entry has one slot a pattern; a key with nothing open has no entry.
 */
export class CepOperator {
  readonly sorter = new EventTimeSorter()
  readonly #released = new ReleasedEvents()
  readonly #entries: StretchEntries
  /** Whether there are checkpoints: where there are none, no event pays for them. */
  readonly #tracksChanges: boolean
  /** Events that waited when patterns were added, with those that must not see them. */
  readonly hidden = new HiddenEvents()
  readonly #patterns: RunningPattern[]
  /** Where the partial matches of all patterns lie. */
  readonly #store: MatchStore
  readonly #backend: EntryBackend<NumberEntry>
  /** The backend where all keys are in memory: then what runs out unseen is swept up. */
  readonly #packed: PackedKeyedStateBackend | null
  /** The backend where cold keys are on disk: then the work waits for them, in steps. */
  readonly #disk: DiskKeyedStateBackend | null
  readonly #format: CepEntryFormat
  readonly #sweep: ExpirySweep | null
  /** Where cold keys are on disk. */
  readonly #steps: AdvanceSteps | null
  /** Patterns of which cold keys have timers on disk, as their time limits matter. */
  #timed: readonly number[] = []
  readonly #output: CepOutput
  readonly #mode: TimeLimitMode
  /** Whether patterns may leave events for later: see `runningPattern`. */
  readonly #mayDefer: boolean
  readonly #timers = new TimerQueue<NumberEntry>()
  readonly #step = new NFAOutput()
  /** How soon after a partial match was opened its key is to be looked at, ms; infinity: never. */
  #leastDueMs = Infinity
  #results: CepResult[] = []
  /** Records of keys that had events since the last watermark; kept in mode `watermark` only. */
  readonly #touched = new Set<number>()

  constructor(
    patterns: readonly CepPattern[],
    backend: EntryBackend<NumberEntry>,
    output: CepOutput,
    mode: TimeLimitMode = 'deadline',
  ) {
    const [first] = patterns
    assert(first !== undefined, 'an operator has a pattern')
    this.#store = first.nfa.store
    assert(
      patterns.every(({ nfa }) => nfa.store === this.#store),
      'the patterns of an operator share a store',
    )
    this.#backend = backend
    this.#tracksChanges = backend.tracksChanges
    this.#disk = backend instanceof DiskKeyedStateBackend ? backend : null
    this.#packed = backend instanceof PackedKeyedStateBackend ? backend : null
    this.#mode = mode
    this.#mayDefer = this.#packed !== null && mode === 'deadline'
    this.#patterns = patterns.map((pattern) => runningPattern(pattern, this.#mayDefer))
    this.#sweep =
      this.#packed === null
        ? null
        : new ExpirySweep(this.#packed, (entry, watermark) => this.#sweepEntry(entry, watermark))
    if (this.#packed !== null) this.#store.spendRoom()
    this.#entries = new StretchEntries(backend, this.#store, this.#released)
    assert(this.#packed !== null || mode === 'deadline', 'keys on disk are seen to at deadlines')
    this.#format = new CepEntryFormat(this.#patterns, this.#store, (entry, timerAt) => {
      const due = timerAt ?? dueOf(entry, this.#patterns)
      entry.timerAt = due
      this.#timers.register(due, entry)
    })
    this.#disk?.useFormat(this.#format)
    this.#steps = this.#disk === null ? null : this.#stepsOn(this.#disk)
    this.#output = output
    this.#patternsChanged()
  }

  #patternsChanged(): void {
    this.#leastDueMs = leastLimitAmong(this.#patterns, true)
    if (this.#sweep !== null) this.#sweep.limitMs = leastLimitAmong(this.#patterns, false)
  }

  /**
   * Adds a pattern between two batches.
   * @param index behind the patterns that there are, or that of one that is over
   * @param startsAfter event time, epoch ms, up to which it sees nothing
   */
  setPattern(index: number, pattern: CepPattern, startsAfter: number): void {
    assert(pattern.nfa.store === this.#store, 'the patterns of an operator share a store')
    this.#releaseAll(index)
    this.#patterns[index] = { ...runningPattern(pattern, this.#mayDefer), startsAfter }
    this.#patternsChanged()
  }

  /** A pattern sees nothing up to this event time, epoch ms; default: all patterns. */
  startAfter(startsAfter: number, pattern?: number): void {
    for (const [index, running] of this.#patterns.entries()) {
      if (pattern === undefined || pattern === index) running.startsAfter = startsAfter
    }
  }

  /** Patterns that do not see all that is to come, with the event time, epoch ms, from which they do. */
  starts(): [pattern: number, startsAfter: number][] {
    const { watermark } = this.sorter
    return this.#patterns.flatMap(({ startsAfter }, pattern): [number, number][] =>
      startsAfter > watermark && startsAfter < Infinity ? [[pattern, startsAfter]] : [],
    )
  }

  /**
   * The pattern opens nothing more; what is open goes on to its end. Without a time limit for the
   * whole it ends at once.
   * @returns event time, epoch ms, after which no key has anything of it; infinity: not known
   */
  retirePattern(index: number): number {
    const pattern = this.#patterns[index] as RunningPattern
    const { withinMs } = pattern.nfa.compiled
    pattern.startsAfter = Infinity
    pattern.isDropped = withinMs === 0
    // A time limit that nobody sees may be looked at one time limit later.
    return withinMs === 0 ? Infinity : this.sorter.watermark + 2 * withinMs
  }

  /** The pattern opens partial matches again: with events that come from now on. */
  revivePattern(index: number, startsAfter: number): void {
    const pattern = this.#patterns[index] as RunningPattern
    pattern.startsAfter = startsAfter
  }

  /** Whether partial matches of the pattern whose time runs out are wanted from now on. */
  wantTimeouts(index: number, timeouts: boolean): void {
    const pattern = this.#patterns[index] as RunningPattern
    const { startsAfter } = pattern
    if (timeouts) evaluateAll(this.#backend.entries(), index, pattern)
    this.#patterns[index] = {
      ...runningPattern({ ...pattern, timeouts }, this.#mayDefer),
      startsAfter,
    }
    this.#patternsChanged()
    if (!timeouts || pattern.timeouts) return
    // Keys have no timers yet.
    this.#disk?.wantLoad()
    for (const entry of this.#backend.entries()) this.#seeToTimer(entry)
  }

  /** Lets go of what may be left in memory of a pattern that is over. */
  #releaseAll(index: number): void {
    const pattern = this.#patterns[index]
    if (pattern === undefined) return
    for (const entry of this.#backend.entries()) {
      this.#drop(entry, index, pattern, stateOf(entry, index))
    }
  }

  /** Number of keys with something open. */
  get openKeys(): number {
    const watermark = this.#disk?.watermark ?? this.sorter.watermark
    // At the end of time nothing is open that has a time limit: nobody need look at each key.
    if (watermark === Infinity && this.#patterns.every(isLimited)) return 0
    // With a disk below, and at the end, nobody lets go of what has run out unseen.
    const mayHaveRunOut = this.#disk !== null || watermark === Infinity
    let open = this.#disk?.coldKeys ?? 0
    for (const entry of this.#backend.entries()) {
      if (mayHaveRunOut && this.#format.hasRunOut(entry, watermark)) continue
      if (isOpen(entry, this.#patterns)) open++
    }
    return open
  }

  /** Where cold keys are on disk: the backend, which takes part in checkpoints. */
  get disk(): DiskKeyedStateBackend | null {
    return this.#disk
  }

  /** Ordinals that were given to events so far. */
  get ordinals(): number {
    return this.#store.ordinals
  }

  continueOrdinals(next: number): void {
    this.#store.continueOrdinals(next)
  }

  addRun(split: number, run: EventRun): void {
    this.sorter.add(split, run)
  }

  /**
   * Processes the events and time limits up to the watermark, epoch ms. Where cold keys are on disk
   * that is done by `step`.
   */
  advanceWatermark(watermark: number): void {
    this.sorter.release(watermark, this.#released)
    if (this.#steps !== null) {
      this.#steps.advanceTo(watermark)
      return
    }
    this.#processReleased()
    if (this.#mode === 'watermark') this.#advanceTouched(watermark)
    this.#advanceDue(watermark)
    // Nobody needs the room any more at the end of time.
    if (watermark < Infinity) this.#sweep?.advanceTo(watermark, this.#entries)
    this.#finishAdvance()
  }

  /**
   * Goes on with the work up to the watermark, as far as keys are in memory.
   * @returns what to wait for before the next step; `null`: the work is done
   */
  step(): Promise<void> | null {
    const wait = this.#steps?.step() ?? null
    if (wait === null && this.#disk !== null) this.#timed = this.#timedPatterns()
    return wait
  }

  #stepsOn(disk: DiskKeyedStateBackend): AdvanceSteps {
    return new AdvanceSteps(disk, {
      released: this.#released,
      processStretch: (from, to) => this.#processStretch(from, to),
      advanceDue: (watermark) => {
        this.#advanceDue(watermark)
        // Timers of keys that have left memory would keep their entries there.
        if (this.#timers.size > 2 * disk.size + 4 * stretchEvents) {
          this.#timers.retain(({ removed }) => !removed)
        }
      },
      finish: () => this.#finishAdvance(),
    })
  }

  /** Patterns of which keys on disk have timers: goes with the state. */
  get timed(): readonly number[] {
    return this.#timed
  }

  /**
   * State on disk has timers of these patterns only: where more are needed now, it is to be read.
   * @param timed undefined: of none
   */
  restoreTimed(timed: readonly number[] | undefined): void {
    this.#timed = timed ?? []
    if (this.#timedPatterns().some((pattern) => !timed?.includes(pattern))) this.#disk?.wantLoad()
  }

  #timedPatterns(): number[] {
    return [...this.#patterns.keys()].filter((index) => this.#patterns[index]?.limitsMatter)
  }

  #finishAdvance(): void {
    this.#store.flush()
    if (this.#results.length === 0) return
    // Keys were visited one after the other: put what they found in order of time.
    const results = this.#results.sort(byMoment)
    this.#results = []
    this.#output.results(results)
  }

  #processReleased(): void {
    const released = this.#released
    for (let from = 0; from < released.count; from += stretchEvents) {
      this.#processStretch(from, Math.min(from + stretchEvents, released.count))
    }
    released.clear()
  }

  #processStretch(from: number, to: number): void {
    this.#entries.lookAhead(from, to)
    for (let index = from; index < to; index++) {
      this.#processElement(index, this.#entries.entryOf(index, index - from))
    }
  }

  #processElement(index: number, known: NumberEntry | undefined): void {
    const event = this.#released.events[index] as ArrivedEvent
    let entry = known
    const hidden = this.hidden.take(event)
    let isChanged = false
    for (let slot = 0; slot < this.#patterns.length; slot++) {
      const pattern = this.#patterns[slot] as RunningPattern
      if (pattern.filter !== null && !fits(event, pattern.filter)) continue
      if (hidden?.includes(slot)) continue
      const state = entry === undefined ? none : stateOf(entry, slot)
      if (pattern.startsAfter >= event.timestamp) {
        if (pattern.isDropped && entry !== undefined) {
          this.#drop(entry, slot, pattern, state)
          isChanged = true
        }
        if (pattern.isDropped || state === none) continue
      }
      if (!fitsAny(event, pattern)) {
        const inert = state === none ? pattern.startInert : !pattern.nfa.needsEveryEvent(state)
        if (inert) continue
      }
      entry ??= this.#entries.create(index)
      this.#offer(entry, slot, pattern, state, event)
      isChanged = true
    }
    if (entry !== undefined && isChanged) this.#settle(entry, event.timestamp)
  }

  #offer(
    entry: NumberEntry,
    index: number,
    pattern: RunningPattern,
    known: NFAState,
    event: ArrivedEvent,
  ): void {
    const { nfa } = pattern
    if (this.#tracksChanges && entry.frozen) this.#backend.beforeChange(entry)
    let state = known
    if (state !== none) {
      // What nobody can see run out is dropped by the NFA itself.
      if (pattern.limitsMatter || this.#mode === 'watermark' || nfa.isWaiting(state)) {
        state = this.#advanceState(entry, index, state, event.timestamp)
      }
      if (pattern.cancelledBy !== null && fits(event, pattern.cancelledBy)) {
        nfa.release(state)
        state = none
      }
    }
    this.#step.opensMatches = event.timestamp > pattern.startsAfter
    state = nfa.process(state, event, this.#step)
    if (state !== known) entry.set(index, state)
    if (this.#tracksChanges && (state !== none || known !== none)) this.#backend.markChanged(entry)
    this.#collect(entry, index, event.timestamp, event)
  }

  #drop(entry: NumberEntry, index: number, { nfa }: RunningPattern, state: NFAState): void {
    if (state === none) return
    if (this.#tracksChanges && entry.frozen) this.#backend.beforeChange(entry)
    nfa.release(state)
    entry.set(index, none)
    this.#backend.markChanged(entry)
  }

  /** After a change at `now`: forgets the key if nothing is open, else sees to its next time limit. */
  #settle(entry: NumberEntry, now: number): void {
    const patterns = this.#patterns
    let open = false
    let waiting = false
    for (let index = 0; index < patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state === none) continue
      open = true
      if ((patterns[index] as RunningPattern).nfa.isWaiting(state)) waiting = true
    }
    const sweep = this.#sweep?.limitMs === Infinity ? null : this.#sweep
    if (!open) {
      // A key that has a timer is forgotten then, or by the sweep: most come back before.
      if (entry.timerAt < Infinity) return
      if (sweep !== null) (entry as PackedEntry).sweepAt = sweep.dueAfter(now)
      else this.#forget(entry)
      return
    }
    if (sweep !== null) this.#sweepLater(entry as PackedEntry, sweep.dueAfter(now))
    if (this.#mode === 'watermark') this.#touched.add((entry as PackedEntry).record)
    // What was open before has its timer, what is new is due no earlier than this.
    if (waiting || !entry.hasTimerBy(now + this.#leastDueMs)) this.#seeToTimer(entry)
  }

  /** The NFA drops what has run out of the pattern that is offered an event, but not of others. */
  #sweepLater(entry: PackedEntry, at: number): void {
    if (this.#patterns.length === 1 || entry.sweepAt > at) entry.sweepAt = at
  }

  #seeToTimer(entry: NumberEntry): void {
    const due = dueOf(entry, this.#patterns)
    if (entry.hasTimerBy(due)) return
    entry.timerAt = due
    this.#timers.register(due, entry.kept())
  }

  #forget(entry: NumberEntry): void {
    if (this.#mode === 'watermark') this.#touched.delete((entry as PackedEntry).record)
    this.#backend.remove(entry)
  }

  #advanceTouched(watermark: number): void {
    const touched = [...this.#touched]
    for (const record of touched) {
      this.#advanceEntry((this.#packed as PackedKeyedStateBackend).entryOf(record), watermark)
    }
    this.#touched.clear()
  }

  /** Looks at the keys whose timers are due. */
  #advanceDue(watermark: number): void {
    const entries = this.#entries.items
    for (;;) {
      let count = 0
      while (count < stretchEvents && this.#timers.isDue(watermark)) {
        entries[count++] = this.#timers.poll()
      }
      if (count === 0) return
      this.#entries.touch(count)
      this.#backend.touchPlaces(entries, count)
      for (let index = 0; index < count; index++) {
        const entry = entries[index] as NumberEntry
        // Its timer may have been replaced by an earlier one and fired, or the key forgotten.
        if (entry.removed || !entry.hasTimerBy(watermark)) continue
        // A checkpoint takes the entry with its timer.
        if (this.#tracksChanges && entry.frozen) this.#backend.beforeChange(entry)
        entry.timerAt = Infinity
        this.#advanceEntry(entry, watermark)
      }
    }
  }

  #sweepEntry(entry: PackedEntry, watermark: number): void {
    this.#advanceEntry(entry, watermark)
    if (isOpen(entry, this.#patterns)) entry.sweepAt = unseenDueOf(entry, this.#patterns)
    else if (entry.timerAt === Infinity) this.#forget(entry)
  }

  #advanceEntry(entry: NumberEntry, timestamp: number): void {
    if (this.#tracksChanges && entry.frozen) this.#backend.beforeChange(entry)
    for (let index = 0; index < this.#patterns.length; index++) {
      const state = stateOf(entry, index)
      if (state === none) continue
      const next = this.#advanceState(entry, index, state, timestamp)
      if (next !== state) entry.set(index, next)
    }
    this.#backend.markChanged(entry)
    this.#settle(entry, timestamp)
  }

  /** @returns the state that the key has then */
  #advanceState(entry: NumberEntry, index: number, known: NFAState, timestamp: number): NFAState {
    const { nfa, timeouts, limitsMatter } = this.#patterns[index] as RunningPattern
    this.#step.keepsTimeouts = timeouts
    if (!limitsMatter && this.#mode === 'deadline' && !nfa.isWaiting(known)) {
      return nfa.dropExpired(known, timestamp)
    }
    if (this.#mode === 'watermark') {
      const state = nfa.advanceTime(known, timestamp, this.#step)
      this.#collect(entry, index, timestamp, null)
      return state
    }
    let state = known
    for (;;) {
      const at = nfa.nextDeadline(state)
      if (at > timestamp || at === Infinity) return state
      state = nfa.advanceTime(state, at, this.#step)
      this.#collect(entry, index, at, null)
    }
  }

  #collect(entry: NumberEntry, pattern: number, moment: number, event: Event | null): void {
    const step = this.#step
    if (step.isEmpty) return
    const { key } = entry
    for (const { taken, at } of step.matches) {
      this.#results.push({ kind: 'match', pattern, key, taken, eventTime: at, moment })
    }
    for (const { taken, at } of step.timeouts) {
      this.#results.push({ kind: 'timeout', pattern, key, taken, eventTime: at, moment })
    }
    if (step.refused > 0 && event !== null) this.#output.refused({ pattern, key, event })
    if (step.dropped > 0) this.#output.droppedMatches(pattern, step.dropped)
    step.clear()
  }
}
