import type { JsonValue } from '../stream/alert.ts'

/**
 * Names one piece of keyed state of an operator and says what is in it (Flink's StateDescriptor).
 * The name identifies it within its operator: state is found again by it, also in a later version.
 */
export type StateDescriptor =
  | ValueStateDescriptor<unknown>
  | ListStateDescriptor<unknown>
  | MapStateDescriptor<MapStateKey, unknown>
  | ReducingStateDescriptor<unknown>
  | AggregatingStateDescriptor<unknown, unknown, unknown>

/** How long state lives. Time is processing time: a replay does not make state older. */
export interface StateTtl {
  /** State lives so long after its last refresh, ms; more than 0. */
  readonly ttlMs: number
  /** What refreshes it; default `on_create_and_write`. */
  readonly updateType?: 'on_create_and_write' | 'on_read_and_write'
}

export interface StateOptions<T> {
  /** Default: state lives until it is cleared. In lists and maps each element ages by itself. */
  readonly ttl?: StateTtl
  /** How a value is kept outside of the heap; default: values are plain JSON data already. */
  readonly serializer?: StateSerializer<T>
}

/** Turns the values of a state into plain JSON data and back, for backends beyond the heap. */
export interface StateSerializer<T> {
  serialize(value: T): JsonValue
  deserialize(stored: JsonValue): T
}

/** What the key of a MapState may be: a Map tells them apart by value, and so does JSON. */
export type MapStateKey = string | number | boolean

/** Adds values up without keeping them (Flink's AggregateFunction). */
export interface AggregateFunction<In, Acc, Out> {
  createAccumulator(): Acc
  /** The accumulator with the value added: a new one, or the one given, changed. */
  add(value: In, accumulator: Acc): Acc
  getResult(accumulator: Acc): Out
}

export interface ValueStateDescriptor<T> extends StateOptions<T> {
  readonly kind: 'value'
  readonly name: string
}

export interface ListStateDescriptor<T> extends StateOptions<T> {
  readonly kind: 'list'
  readonly name: string
}

export interface MapStateDescriptor<K extends MapStateKey, V> extends StateOptions<V> {
  readonly kind: 'map'
  readonly name: string
  /** Never present: keeps the type of the keys. */
  readonly keyType?: K
}

export interface ReducingStateDescriptor<T> extends StateOptions<T> {
  readonly kind: 'reducing'
  readonly name: string
  /** Method syntax, so that descriptors of all types fit `StateDescriptor`. */
  reduce(first: T, second: T): T
}

export interface AggregatingStateDescriptor<In, Acc, Out> extends StateOptions<Acc> {
  readonly kind: 'aggregating'
  readonly name: string
  readonly aggregate: AggregateFunction<In, Acc, Out>
}

/** One value a key. */
export function valueState<T>(
  name: string,
  options: StateOptions<T> = {},
): ValueStateDescriptor<T> {
  return { ...options, kind: 'value', name }
}

/** A list of values a key, in the order in which they were added. */
export function listState<T>(name: string, options: StateOptions<T> = {}): ListStateDescriptor<T> {
  return { ...options, kind: 'list', name }
}

/** A map a key; its entries come in the order in which their keys were first put. */
export function mapState<K extends MapStateKey, V>(
  name: string,
  options: StateOptions<V> = {},
): MapStateDescriptor<K, V> {
  return { ...options, kind: 'map', name }
}

/** One value a key, into which each added one is folded. */
export function reducingState<T>(
  name: string,
  reduce: (first: T, second: T) => T,
  options: StateOptions<T> = {},
): ReducingStateDescriptor<T> {
  return { ...options, kind: 'reducing', name, reduce }
}

/** One accumulator a key; what is read is its result. */
export function aggregatingState<In, Acc, Out>(
  name: string,
  aggregate: AggregateFunction<In, Acc, Out>,
  options: StateOptions<Acc> = {},
): AggregatingStateDescriptor<In, Acc, Out> {
  return { ...options, kind: 'aggregating', name, aggregate }
}
