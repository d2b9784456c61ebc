import type { ArithmeticOperator, CompareOperator } from './expression.ts'
import { describeType, type StaticType, Type } from './static-type.ts'

/** The type that an operator gives, or why it cannot be applied. */
export type OperatorType = { readonly type: StaticType } | { readonly problem: string }

export function arithmeticType(
  operator: ArithmeticOperator,
  left: StaticType,
  right: StaticType,
): OperatorType {
  let type = 0
  for (const [leftBit, rightBit, result, operators] of arithmetic) {
    if (operators.includes(operator) && left & leftBit && right & rightBit) type |= result
  }
  if (type !== 0) return { type }
  return {
    problem: `\`${operator}\` does not go with ${describeType(left)} and ${describeType(right)}`,
  }
}

const arithmetic: readonly [StaticType, StaticType, StaticType, string][] = [
  [Type.number, Type.number, Type.number, '+-*/%'],
  [Type.string, Type.string, Type.string, '+'],
  [Type.list, Type.list, Type.list, '+'],
  [Type.timestamp, Type.duration, Type.timestamp, '+-'],
  [Type.duration, Type.timestamp, Type.timestamp, '+'],
  [Type.duration, Type.duration, Type.duration, '+-'],
  [Type.timestamp, Type.timestamp, Type.duration, '-'],
]

export function compareType(
  operator: CompareOperator,
  left: StaticType,
  right: StaticType,
): OperatorType {
  const shared = left & right
  if (operator === '==' || operator === '!=') {
    // `x == null` is asked of fields that are never null, too.
    const mayBeEqual = shared !== 0 || left === Type.null || right === Type.null
    if (mayBeEqual) return { type: Type.boolean }
    return {
      problem: `a ${describeType(left)} never equals a ${describeType(right)}`,
    }
  }
  if ((shared & ordered) !== 0) return { type: Type.boolean }
  return {
    problem: `\`${operator}\` does not go with ${describeType(left)} and ${describeType(right)}`,
  }
}

const ordered = Type.boolean | Type.number | Type.string | Type.timestamp | Type.duration
