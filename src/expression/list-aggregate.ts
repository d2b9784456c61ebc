import { order, same } from './value.ts'

/** The aggregates, over a list of values; `undefined` is CEL's error. */
export const aggregates = {
  sum,
  avg: (values: unknown) => (isEmpty(values) ? undefined : divide(sum(values), values)),
  min: (values: unknown) => extreme(values, -1),
  max: (values: unknown) => extreme(values, 1),
  first: (values: unknown) => (Array.isArray(values) ? values[0] : undefined),
  last: (values: unknown) => (Array.isArray(values) ? values.at(-1) : undefined),
  count: (values: unknown) => (Array.isArray(values) ? values.length : undefined),
  distinct,
  stddev,
} as const
export type AggregateName = keyof typeof aggregates

export function isAggregate(name: string): name is AggregateName {
  return Object.hasOwn(aggregates, name)
}

function isEmpty(values: unknown): boolean {
  return !Array.isArray(values) || values.length === 0
}

function divide(total: number | undefined, values: unknown): number | undefined {
  return total === undefined || !Array.isArray(values) ? undefined : total / values.length
}

function sum(values: unknown): number | undefined {
  if (!Array.isArray(values)) return undefined
  let total = 0
  for (const value of values) {
    if (typeof value !== 'number') return undefined
    total += value
  }
  return total
}

function extreme(values: unknown, sign: 1 | -1): unknown {
  if (!Array.isArray(values) || values.length === 0) return undefined
  let best: unknown = values[0]
  for (const value of values) {
    const comparison = order(value, best)
    if (comparison === undefined) return undefined
    if (comparison * sign > 0) best = value
  }
  return best
}

/** How many different values there are. */
function distinct(values: unknown): number | undefined {
  if (!Array.isArray(values)) return undefined
  const scalars = new Set<unknown>()
  const others: unknown[] = []
  for (const value of values) {
    if (typeof value !== 'object' || value === null) scalars.add(value)
    else if (!others.some((other) => same(other, value))) others.push(value)
  }
  return scalars.size + others.length
}

/** The population's standard deviation, as Prometheus's `stddev` gives it; two passes. */
function stddev(values: unknown): number | undefined {
  const total = sum(values)
  if (total === undefined || !Array.isArray(values) || values.length === 0) return undefined
  const mean = total / values.length
  let squares = 0
  for (const value of values) squares += (value - mean) ** 2
  return Math.sqrt(squares / values.length)
}
