import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { TocsinError } from '../errors.ts'
import type { StateMapping } from '../operator/state-mapping.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import type { CheckedRule } from './expression-check.ts'
import type { AlertBlock, Rule } from './rule.ts'
import type { RuleGroup } from './rule-compiler.ts'

/**
 * What the numbers in an operator's state stand for: its patterns, predicates and fields are known
 * there by their index. It goes with the state, so that it can be read by other rules.
 */
export interface OperatorLayout {
  /** By pattern. */
  readonly rules: readonly RuleLayout[]
  /** Digests by predicate; `null`: not known, as in state of version 1. */
  readonly predicates: readonly string[] | null
  /** Fields that events carry, by slot; `null` likewise. */
  readonly fields: readonly FieldPath[] | null
}

export interface RuleLayout {
  /** Empty: not known, as in state of version 1. */
  readonly id: string
  readonly fingerprint: string
  /** Digest of what dedupe goes by; empty: not known. */
  readonly dedupe: string
}

export function layoutOf(rules: readonly CheckedRule[], group: RuleGroup): OperatorLayout {
  return {
    rules: rules.map(({ rule }) => ({
      id: rule.id,
      fingerprint: rule.fingerprint,
      dedupe: digestOf(dedupeTexts(rule)),
    })),
    predicates: group.predicates.keys.map(digestOf),
    fields: group.carriedFields,
  }
}

/** Names the state of an operator: state of another layout never lies under the same name. */
export function stateNameOf(operator: string, layout: OperatorLayout): string {
  return `${operator} ${digestOf(layout)}`
}

/** Whether state of one layout can be read as it is by an operator of the other. */
export function isSameLayout(saved: OperatorLayout, now: OperatorLayout): boolean {
  if (saved.predicates !== null) return isDeepStrictEqual(saved, now)
  const prints = ({ rules }: OperatorLayout) => rules.map(({ fingerprint }) => fingerprint)
  return isDeepStrictEqual(prints(saved), prints(now))
}

/**
 * How state of one layout is read by an operator of another. A rule's state is found again by its
 * fingerprint; where several rules have the same one, by their ids first.
 * @throws {TocsinError} STATE_MISMATCH where the saved layout does not say enough
 */
export function mappingOf(
  saved: OperatorLayout,
  now: OperatorLayout,
  patternPredicates: readonly (readonly number[])[],
): StateMapping {
  if (saved.predicates === null || saved.fields === null) throw unknownLayout()
  const patterns = patternsOf(saved.rules, now.rules)
  const kept = new Set(patterns.filter((pattern) => pattern !== undefined))
  const predicates = (now.predicates ?? []).map((digest) => saved.predicates?.indexOf(digest) ?? -1)
  for (const pattern of kept) {
    // Another version of Tocsin may cut the same rule into other predicates.
    if (patternPredicates[pattern]?.some((predicate) => predicates[predicate] === -1)) {
      throw unknownLayout()
    }
  }
  const savedFields = saved.fields.map((path) => JSON.stringify(path))
  const rules = saved.rules.map((rule, pattern) => {
    const is = patterns[pattern] === undefined ? undefined : now.rules[patterns[pattern]]
    return { pattern: patterns[pattern], keepsSilences: is?.dedupe === rule.dedupe }
  })
  return {
    patterns: rules,
    patternCount: now.rules.length,
    added: now.rules.flatMap((_, pattern) => (kept.has(pattern) ? [] : [pattern])),
    predicates,
    fields: (now.fields ?? []).map((path) => {
      const slot = savedFields.indexOf(JSON.stringify(path))
      return slot === -1 ? path : slot
    }),
  }
}

/** By saved rule: its index now. */
function patternsOf(
  saved: readonly RuleLayout[],
  now: readonly RuleLayout[],
): (number | undefined)[] {
  const free = new Set(now.keys())
  const patterns: (number | undefined)[] = saved.map(() => undefined)
  const find = (fits: (was: RuleLayout, is: RuleLayout) => boolean) => {
    for (const [index, was] of saved.entries()) {
      if (patterns[index] !== undefined) continue
      const found = [...free].find((pattern) => fits(was, now[pattern] as RuleLayout))
      if (found === undefined) continue
      patterns[index] = found
      free.delete(found)
    }
  }
  find((was, is) => was.fingerprint === is.fingerprint && was.id === is.id)
  find((was, is) => was.fingerprint === is.fingerprint)
  return patterns
}

function dedupeTexts({ alert, onTimeout }: Rule): unknown {
  const texts = (block: AlertBlock | null) => block?.dedupe?.by.map(({ text }) => text) ?? null
  return [texts(alert), texts(onTimeout)]
}

function digestOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}

function unknownLayout(): TocsinError {
  const message =
    'the rules have changed, and the state is of a version of Tocsin that cannot be read by other ' +
    'rules. Choose: run once with the rules as they were, which writes the state anew, and change ' +
    'them then; or start anew with another state.dir and another state.job'
  return new TocsinError('STATE_MISMATCH', message)
}
