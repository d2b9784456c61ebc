import type { CurrentKey } from './current-key.ts'
import type {
  AggregatingState,
  ListState,
  MapState,
  ReducingState,
  ValueState,
} from './keyed-state.ts'
import type { StateAging } from './state-aging.ts'
import type { AggregateFunction, MapStateKey } from './state-descriptor.ts'

/** A slot of the entries that holds one stored value: the ground for three kinds of state. */
export class ValueSlot<T> implements ValueState<T> {
  readonly #key: CurrentKey
  readonly #slot: number
  readonly #aging: StateAging

  constructor(key: CurrentKey, slot: number, aging: StateAging) {
    this.#key = key
    this.#slot = slot
    this.#aging = aging
  }

  value(): T | undefined {
    const stored = this.#key.read(this.#slot)
    if (stored === undefined) return undefined
    if (this.#aging.isExpired(stored)) {
      this.clear()
      return undefined
    }
    const value = this.#aging.unwrap(stored) as T
    if (this.#aging.refreshedByReads) this.update(value)
    return value
  }

  update(value: T | undefined): void {
    this.#key.write(this.#slot, value === undefined ? undefined : this.#aging.wrap(value))
  }

  clear(): void {
    this.#key.write(this.#slot, undefined)
  }
}

/** A slot with a list: each element has its own age. */
export class ListSlot<T> implements ListState<T> {
  readonly #key: CurrentKey
  readonly #slot: number
  readonly #aging: StateAging

  constructor(key: CurrentKey, slot: number, aging: StateAging) {
    this.#key = key
    this.#slot = slot
    this.#aging = aging
  }

  get(): T[] {
    const stored = this.#read()
    const alive = liveElements(stored, this.#aging)
    const values = alive.map((element) => this.#aging.unwrap(element) as T)
    if (this.#aging.refreshedByReads) this.update(values)
    else if (alive !== stored) this.#write(alive)
    return values
  }

  add(value: T): void {
    this.addAll([value])
  }

  addAll(values: Iterable<T>): void {
    const stored = this.#read()
    for (const value of values) stored.push(this.#aging.wrap(value))
    this.#write(stored)
  }

  update(values: Iterable<T>): void {
    this.#write(Array.from(values, (value) => this.#aging.wrap(value)))
  }

  clear(): void {
    this.#key.write(this.#slot, undefined)
  }

  #read(): unknown[] {
    return (this.#key.read(this.#slot) as unknown[] | undefined) ?? []
  }

  #write(stored: unknown[]): void {
    this.#key.write(this.#slot, stored.length === 0 ? undefined : stored)
  }
}

/** The elements that have not expired; the same list where all are alive. */
export function liveElements(stored: unknown[], aging: StateAging): unknown[] {
  if (!aging.ages || !stored.some(aging.isExpired)) return stored
  return stored.filter((element) => !aging.isExpired(element))
}

/** A slot with a map: each entry has its own age. */
export class MapSlot<K extends MapStateKey, V> implements MapState<K, V> {
  readonly #key: CurrentKey
  readonly #slot: number
  readonly #aging: StateAging

  constructor(key: CurrentKey, slot: number, aging: StateAging) {
    this.#key = key
    this.#slot = slot
    this.#aging = aging
  }

  get(key: K): V | undefined {
    const map = this.#read()
    const stored = map?.get(key)
    if (map === undefined || stored === undefined) return undefined
    if (this.#aging.isExpired(stored)) {
      this.remove(key)
      return undefined
    }
    const value = this.#aging.unwrap(stored) as V
    if (this.#aging.refreshedByReads) this.put(key, value)
    return value
  }

  has(key: K): boolean {
    return this.get(key) !== undefined
  }

  put(key: K, value: V): void {
    const map = this.#read() ?? new Map<K, unknown>()
    map.set(key, this.#aging.wrap(value))
    this.#key.write(this.#slot, map)
  }

  putAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.put(key, value)
  }

  remove(key: K): void {
    const map = this.#read()
    if (map?.delete(key)) this.#key.write(this.#slot, map.size === 0 ? undefined : map)
  }

  entries(): [K, V][] {
    const entries: [K, V][] = []
    for (const key of [...(this.#read()?.keys() ?? [])]) {
      const value = this.get(key)
      if (value !== undefined) entries.push([key, value])
    }
    return entries
  }

  keys(): K[] {
    return this.entries().map(([key]) => key)
  }

  values(): V[] {
    return this.entries().map(([, value]) => value)
  }

  isEmpty(): boolean {
    return this.entries().length === 0
  }

  clear(): void {
    this.#key.write(this.#slot, undefined)
  }

  #read(): Map<K, unknown> | undefined {
    return this.#key.read(this.#slot) as Map<K, unknown> | undefined
  }
}

/** A slot with a value into which others are folded. */
export class ReducingSlot<T> implements ReducingState<T> {
  readonly #value: ValueSlot<T>
  readonly #reduce: (first: T, second: T) => T

  constructor(value: ValueSlot<T>, reduce: (first: T, second: T) => T) {
    this.#value = value
    this.#reduce = reduce
  }

  get(): T | undefined {
    return this.#value.value()
  }

  add(value: T): void {
    const sum = this.#value.value()
    this.#value.update(sum === undefined ? value : this.#reduce(sum, value))
  }

  clear(): void {
    this.#value.clear()
  }
}

/** A slot with an accumulator. */
export class AggregatingSlot<In, Acc, Out> implements AggregatingState<In, Out> {
  readonly #accumulator: ValueSlot<Acc>
  readonly #aggregate: AggregateFunction<In, Acc, Out>

  constructor(accumulator: ValueSlot<Acc>, aggregate: AggregateFunction<In, Acc, Out>) {
    this.#accumulator = accumulator
    this.#aggregate = aggregate
  }

  get(): Out | undefined {
    const accumulator = this.#accumulator.value()
    return accumulator === undefined ? undefined : this.#aggregate.getResult(accumulator)
  }

  add(value: In): void {
    const accumulator = this.#accumulator.value() ?? this.#aggregate.createAccumulator()
    this.#accumulator.update(this.#aggregate.add(value, accumulator))
  }

  clear(): void {
    this.#accumulator.clear()
  }
}
