import type { MapStateKey } from './state-descriptor.ts'

/** Handles onto the state of the key at hand (Flink's State): they follow the operator's key. */
export interface ClearableState {
  /** Forgets what the key has here. */
  clear(): void
}

export interface ValueState<T> extends ClearableState {
  /** `undefined`: there is none. */
  value(): T | undefined
  /** `undefined` clears. */
  update(value: T | undefined): void
}

export interface ListState<T> extends ClearableState {
  /** A copy: empty where there is none. */
  get(): T[]
  add(value: T): void
  addAll(values: Iterable<T>): void
  /** Replaces the list. */
  update(values: Iterable<T>): void
}

export interface MapState<K extends MapStateKey, V> extends ClearableState {
  get(key: K): V | undefined
  has(key: K): boolean
  put(key: K, value: V): void
  putAll(entries: Iterable<readonly [K, V]>): void
  remove(key: K): void
  /** A copy, in the order in which the keys were first put. */
  entries(): [K, V][]
  keys(): K[]
  values(): V[]
  isEmpty(): boolean
}

export interface ReducingState<T> extends ClearableState {
  get(): T | undefined
  add(value: T): void
}

export interface AggregatingState<In, Out> extends ClearableState {
  get(): Out | undefined
  add(value: In): void
}
