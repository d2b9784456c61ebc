import { TocsinError } from '../errors.ts'
import type { CurrentKey } from './current-key.ts'
import type {
  AggregatingState,
  ListState,
  MapState,
  ReducingState,
  ValueState,
} from './keyed-state.ts'
import type { KeyEntry } from './keyed-state-backend.ts'
import { type StateAging, stateAging } from './state-aging.ts'
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  MapStateKey,
  ReducingStateDescriptor,
  StateDescriptor,
  ValueStateDescriptor,
} from './state-descriptor.ts'
import {
  AggregatingSlot,
  ListSlot,
  liveElements,
  MapSlot,
  ReducingSlot,
  ValueSlot,
} from './state-slot.ts'

/** Gives handles onto keyed state. The same name gives the same handle. */
export interface StateAccess {
  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  getState<T>(descriptor: ListStateDescriptor<T>): ListState<T>
  getState<K extends MapStateKey, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>
  getState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>
  getState<In, Acc, Out>(
    descriptor: AggregatingStateDescriptor<In, Acc, Out>,
  ): AggregatingState<In, Out>
}

/** A state that an operator has asked for. */
export interface RegisteredState {
  readonly descriptor: StateDescriptor
  /** Index into the entries' slots, in order of registration. */
  readonly slot: number
}

type StateHandle =
  | ValueState<unknown>
  | ListState<unknown>
  | MapState<MapStateKey, unknown>
  | ReducingState<unknown>
  | AggregatingState<unknown, unknown>

interface OpenState extends RegisteredState {
  readonly handle: StateHandle
  readonly aging: StateAging
}

/** The states of one keyed operator: which slot each has, and what of them is too old. */
export class KeyedStateStore implements StateAccess {
  readonly #key: CurrentKey
  readonly #firstSlot: number
  readonly #now: () => number
  readonly #states = new Map<string, OpenState>()
  #ageing: OpenState[] = []
  #sweep: Iterator<KeyEntry> | null = null

  /**
   * @param firstSlot slots below it are the operator's own
   * @param now processing time, epoch ms
   */
  constructor(key: CurrentKey, firstSlot: number, now: () => number) {
    this.#key = key
    this.#firstSlot = firstSlot
    this.#now = now
  }

  /** What a checkpoint has to know to find the slots again: states by name. */
  get registered(): readonly RegisteredState[] {
    return [...this.#states.values()].map(({ descriptor, slot }) => ({ descriptor, slot }))
  }

  getState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  getState<T>(descriptor: ListStateDescriptor<T>): ListState<T>
  getState<K extends MapStateKey, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>
  getState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>
  getState<In, Acc, Out>(
    descriptor: AggregatingStateDescriptor<In, Acc, Out>,
  ): AggregatingState<In, Out>
  /** @throws {TocsinError} PROGRAM_INVALID if the name stands for another kind of state already */
  getState(descriptor: StateDescriptor): StateHandle {
    const { kind, name } = descriptor
    const known = this.#states.get(name)
    if (known === undefined) return this.#register(descriptor).handle
    if (known.descriptor.kind === kind) return known.handle
    throw new TocsinError(
      'PROGRAM_INVALID',
      `state '${name}' is a ${known.descriptor.kind} state and cannot be a ${kind} state too`,
    )
  }

  /**
   * Removes what has expired from at most so many entries, and goes on there the next time.
   * No key may be at hand.
   */
  sweep(entriesMax: number): void {
    if (this.#ageing.length === 0) return
    this.#sweep ??= this.#key.entries()[Symbol.iterator]()
    for (let seen = 0; seen < entriesMax; seen++) {
      const next = this.#sweep.next()
      if (next.done) {
        this.#sweep = null
        return
      }
      this.#sweepEntry(next.value)
    }
  }

  #register(descriptor: StateDescriptor): OpenState {
    const slot = this.#firstSlot + this.#states.size
    const aging = stateAging(descriptor.ttl, this.#now)
    const state = { descriptor, slot, aging, handle: handleOf(descriptor, this.#key, slot, aging) }
    this.#states.set(descriptor.name, state)
    if (aging.ages) this.#ageing.push(state)
    return state
  }

  #sweepEntry(entry: KeyEntry): void {
    const expired = this.#ageing.some((state) => hasExpired(state, entry.get(state.slot)))
    // An entry that has gone since it was listed has empty slots: nothing of it has expired.
    if (!expired) return
    this.#key.selectEntry(entry)
    for (const state of this.#ageing) {
      const stored = entry.get(state.slot)
      if (hasExpired(state, stored)) this.#key.write(state.slot, withoutExpired(state, stored))
    }
    this.#key.release()
  }
}

function handleOf(
  descriptor: StateDescriptor,
  key: CurrentKey,
  slot: number,
  aging: StateAging,
): StateHandle {
  switch (descriptor.kind) {
    case 'value':
      return new ValueSlot(key, slot, aging)
    case 'list':
      return new ListSlot(key, slot, aging)
    case 'map':
      return new MapSlot(key, slot, aging)
    case 'reducing':
      return new ReducingSlot(new ValueSlot(key, slot, aging), (first, second) =>
        descriptor.reduce(first, second),
      )
    case 'aggregating':
      return new AggregatingSlot(new ValueSlot(key, slot, aging), descriptor.aggregate)
  }
}

function hasExpired({ descriptor, aging }: OpenState, stored: unknown): boolean {
  if (stored === undefined) return false
  switch (descriptor.kind) {
    case 'value':
    case 'reducing':
    case 'aggregating':
      return aging.isExpired(stored)
    case 'list':
      return (stored as unknown[]).some(aging.isExpired)
    case 'map':
      return [...(stored as Map<unknown, unknown>).values()].some(aging.isExpired)
  }
}

/** A stored form of which something has expired, without that; `undefined`: nothing is left. */
function withoutExpired({ descriptor, aging }: OpenState, stored: unknown): unknown {
  switch (descriptor.kind) {
    case 'value':
    case 'reducing':
    case 'aggregating':
      return undefined
    case 'list': {
      const alive = liveElements(stored as unknown[], aging)
      return alive.length === 0 ? undefined : alive
    }
    case 'map': {
      const map = stored as Map<unknown, unknown>
      const alive = [...map].filter(([, value]) => !aging.isExpired(value))
      return alive.length === 0 ? undefined : new Map(alive)
    }
  }
}
