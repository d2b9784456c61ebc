/** A point in time as expressions see it: `event_time`, `timestamp("...")`. */
export class Timestamp {
  /** Epoch milliseconds. */
  readonly epochMs: number
  constructor(epochMs: number) {
    this.epochMs = epochMs
  }
}

/** A length of time as expressions see it: `duration("10m")`, `elapsed(a, b)`. */
export class Duration {
  readonly milliseconds: number
  constructor(milliseconds: number) {
    this.milliseconds = milliseconds
  }
}

export type JsonObject = { readonly [name: string]: unknown }

/** Whether it is a JSON object (not an array, a timestamp or a duration). */
export function isObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Timestamp) &&
    !(value instanceof Duration)
  )
}

/** An own property of a JSON object; `undefined` (CEL's error) where there is none. */
export function propertyOf(value: unknown, property: string): unknown {
  return isObject(value) && Object.hasOwn(value, property) ? value[property] : undefined
}

/** The value at a path of own properties; `undefined` where there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let current = value
  for (const property of path) current = propertyOf(current, property)
  return current
}

/**
 * CEL's `==` under the JSON profile: numbers by value, lists and objects deeply, values of
 * different types unequal; `undefined` where an operand is CEL's error.
 */
export function equal(left: unknown, right: unknown): boolean | undefined {
  if (left === undefined || right === undefined) return undefined
  return same(left, right)
}

/** Deep equality of two values; a value never equals one of another type. */
export function same(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object') return false
  if (left === null || right === null) return false
  if (left instanceof Timestamp) {
    return right instanceof Timestamp && left.epochMs === right.epochMs
  }
  if (left instanceof Duration) {
    return right instanceof Duration && left.milliseconds === right.milliseconds
  }
  if (Array.isArray(left)) return Array.isArray(right) && sameLists(left, right)
  return isObject(left) && isObject(right) && sameObjects(left, right)
}

function sameLists(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((value, index) => same(value, right[index]))
}

function sameObjects(left: JsonObject, right: JsonObject): boolean {
  const names = Object.keys(left)
  if (names.length !== Object.keys(right).length) return false
  return names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]))
}

/**
 * The order of two values of one type: negative, zero, positive; NaN where neither is greater
 * (NaN operands); `undefined` (CEL's error) where they have no order.
 */
export function order(left: unknown, right: unknown): number | undefined {
  if (typeof left === 'number' && typeof right === 'number') {
    return left < right ? -1 : left > right ? 1 : left === right ? 0 : Number.NaN
  }
  if (typeof left === 'string' && typeof right === 'string') return orderOfTexts(left, right)
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right)
  if (left instanceof Timestamp && right instanceof Timestamp) {
    return order(left.epochMs, right.epochMs)
  }
  if (left instanceof Duration && right instanceof Duration) {
    return order(left.milliseconds, right.milliseconds)
  }
  return undefined
}

/** By code point, as CEL orders strings: UTF-16 units would put U+FFFD after an emoji's surrogates. */
function orderOfTexts(left: string, right: string): number {
  if (left === right) return 0
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i)
    const b = right.charCodeAt(i)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
