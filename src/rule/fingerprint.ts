import { createHash } from 'node:crypto'
import type { Rule } from './rule.ts'

/** The parts of a rule that its state depends on. */
export type FingerprintedParts = Pick<Rule, 'from' | 'by' | 'filter' | 'detect'>

/**
 * 128 bits over what the state of a rule depends on, as 32 hexadecimal digits. It is taken from
 * the model, so that a default that is written out, another order of keywords, or another way to
 * write the same number of repetitions changes nothing.
 */
export function fingerprintOf(parts: FingerprintedParts): string {
  const { from, by, filter, detect } = parts
  const canonical = JSON.stringify(canonicalOf({ from: [...from].sort(), by, filter, detect }))
  return createHash('sha256').update(canonical).digest('hex').slice(0, 32)
}

/** Leaves out places in the file and what is absent, and puts names in order. */
function canonicalOf(part: unknown): unknown {
  if (part instanceof Map) return sorted([...part].map(([key, value]) => [key, canonicalOf(value)]))
  if (Array.isArray(part)) return part.map(canonicalOf)
  if (typeof part !== 'object' || part === null) return part
  if ('schema' in part && 'path' in part) return canonicalJSON(part.schema)
  if ('text' in part && 'path' in part) return String(part.text).trim()
  return sorted(
    Object.entries(part).flatMap(([key, value]) =>
      key === 'path' || value === null ? [] : [[key, canonicalOf(value)]],
    ),
  )
}

/** The same JSON value with every map in order of its names. */
function canonicalJSON(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonicalJSON)
  if (typeof value !== 'object' || value === null) return value
  return sorted(Object.entries(value).map(([key, part]) => [key, canonicalJSON(part)]))
}

/** Entries, not an object: a name such as `__proto__` or `1` would move there. */
function sorted(entries: readonly (readonly [string, unknown])[]): unknown {
  return { map: [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) }
}
