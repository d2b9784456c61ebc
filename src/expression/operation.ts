import type {
  ArithmeticOperator,
  CompareOperator,
  Constraint,
  SchemaTypeName,
} from './expression.ts'
import { passes } from './string-test.ts'
import { Duration, equal, isObject, order, same, Timestamp } from './value.ts'

/** The operators on values. `undefined`, as an operand and as an answer, is CEL's error. */
export const comparisons: Readonly<
  Record<CompareOperator, (left: unknown, right: unknown) => boolean | undefined>
> = {
  '==': equal,
  '!=': (left, right) => not(equal(left, right)),
  '<': (left, right) => ordered(left, right, (sign) => sign < 0),
  '<=': (left, right) => ordered(left, right, (sign) => sign <= 0),
  '>': (left, right) => ordered(left, right, (sign) => sign > 0),
  '>=': (left, right) => ordered(left, right, (sign) => sign >= 0),
}

export const arithmetics: Readonly<
  Record<ArithmeticOperator, (left: unknown, right: unknown) => unknown>
> = {
  '+': add,
  '-': subtract,
  '*': (left, right) => ofNumbers(left, right, (a, b) => a * b),
  '/': (left, right) => ofNumbers(left, right, (a, b) => a / b),
  '%': (left, right) => ofNumbers(left, right, (a, b) => a % b),
}

export function not(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? !value : undefined
}

export function negate(value: unknown): unknown {
  if (typeof value === 'number') return -value
  return value instanceof Duration ? new Duration(-value.milliseconds) : undefined
}

/** `list[i]`, `map["name"]`. */
export function elementAt(container: unknown, index: unknown): unknown {
  if (Array.isArray(container)) {
    return typeof index === 'number' && Object.hasOwn(container, index)
      ? container[index]
      : undefined
  }
  if (typeof index !== 'string' || !isObject(container)) return undefined
  return Object.hasOwn(container, index) ? container[index] : undefined
}

/** `x in list`, `"name" in map`. */
export function isIn(element: unknown, container: unknown): boolean | undefined {
  if (element === undefined) return undefined
  if (Array.isArray(container)) return container.some((item) => same(item, element))
  if (!isObject(container)) return undefined
  return typeof element === 'string' && Object.hasOwn(container, element)
}

/** What a list macro runs over: elements of a list, names of a map. */
export function elementsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value
  return isObject(value) ? Object.keys(value) : undefined
}

/** Whether a value that is there satisfies a schema keyword; other types satisfy it unseen. */
export function satisfies(constraint: Constraint, value: unknown): boolean {
  switch (constraint.kind) {
    case 'present':
      return true
    case 'types':
      return constraint.types.some((type) => isOfType(value, type))
    case 'one_of':
      return constraint.values.some((candidate) => same(candidate, value))
    case 'minimum':
      if (typeof value !== 'number') return true
      return constraint.exclusive ? value > constraint.limit : value >= constraint.limit
    case 'maximum':
      if (typeof value !== 'number') return true
      return constraint.exclusive ? value < constraint.limit : value <= constraint.limit
    case 'multiple_of':
      return typeof value !== 'number' || isMultiple(value, constraint.divisor)
    case 'min_length':
      return typeof value !== 'string' || codePoints(value) >= constraint.length
    case 'max_length':
      return typeof value !== 'string' || codePoints(value) <= constraint.length
    case 'pattern':
      return typeof value !== 'string' || passes(constraint.test, value)
    case 'not_object':
      return !isObject(value)
    case 'schema':
      return constraint.validate(value)
  }
}

function isOfType(value: unknown, type: SchemaTypeName): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'integer':
      return Number.isInteger(value)
    case 'object':
      return isObject(value)
    case 'array':
      return Array.isArray(value)
    default:
      return typeof value === type
  }
}

/** By division, as Ajv does it: 0.3 is no multiple of 0.1 in doubles. */
function isMultiple(value: number, divisor: number): boolean {
  return Number.isInteger(value / divisor)
}

function codePoints(text: string): number {
  let length = 0
  for (const _ of text) length++
  return length
}

function ordered(
  left: unknown,
  right: unknown,
  test: (sign: number) => boolean,
): boolean | undefined {
  const sign = order(left, right)
  return sign === undefined ? undefined : test(sign)
}

function ofNumbers(
  left: unknown,
  right: unknown,
  evaluate: (left: number, right: number) => number,
): number | undefined {
  return typeof left === 'number' && typeof right === 'number' ? evaluate(left, right) : undefined
}

function add(left: unknown, right: unknown): unknown {
  if (typeof left === 'number' && typeof right === 'number') return left + right
  if (typeof left === 'string' && typeof right === 'string') return left + right
  if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right]
  if (left instanceof Duration && right instanceof Duration) {
    return new Duration(left.milliseconds + right.milliseconds)
  }
  if (left instanceof Timestamp && right instanceof Duration) return shift(left, right, 1)
  return left instanceof Duration && right instanceof Timestamp ? shift(right, left, 1) : undefined
}

function subtract(left: unknown, right: unknown): unknown {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (left instanceof Duration && right instanceof Duration) {
    return new Duration(left.milliseconds - right.milliseconds)
  }
  if (left instanceof Timestamp && right instanceof Timestamp) {
    return new Duration(left.epochMs - right.epochMs)
  }
  return left instanceof Timestamp && right instanceof Duration ? shift(left, right, -1) : undefined
}

function shift(time: Timestamp, by: Duration, sign: 1 | -1): Timestamp {
  return new Timestamp(time.epochMs + sign * by.milliseconds)
}
