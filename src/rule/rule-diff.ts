import { isDeepStrictEqual } from 'node:util'
import type { Rule } from './rule.ts'

/** What a new set of rules does to the old one; ids in order. */
export interface RuleDiff {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly ChangedRule[]
  readonly unchanged: readonly string[]
}

export interface ChangedRule {
  readonly id: string
  /** Whether open partial matches go on under the new rule: the fingerprint is the same. */
  readonly keepsState: boolean
  /** Top keywords of the document whose values differ, in order of the new document. */
  readonly keywords: readonly string[]
}

/** Compares two sets of rules by id. */
export function diffRules(oldRules: readonly Rule[], newRules: readonly Rule[]): RuleDiff {
  const before = new Map(oldRules.map((rule) => [rule.id, rule]))
  const after = new Map(newRules.map((rule) => [rule.id, rule]))
  const changed: ChangedRule[] = []
  const unchanged: string[] = []
  for (const id of [...after.keys()].sort()) {
    const was = before.get(id)
    const is = after.get(id) as Rule
    if (was === undefined) continue
    const keywords = changedKeywords(was, is)
    if (keywords.length === 0) unchanged.push(id)
    else changed.push({ id, keepsState: was.fingerprint === is.fingerprint, keywords })
  }
  return {
    added: [...after.keys()].filter((id) => !before.has(id)).sort(),
    removed: [...before.keys()].filter((id) => !after.has(id)).sort(),
    changed,
    unchanged,
  }
}

function changedKeywords(was: Rule, is: Rule): string[] {
  const names = new Set([...Object.keys(is.document), ...Object.keys(was.document)])
  const inDocument = [...names].filter(
    (name) => name !== 'tests' && !isDeepStrictEqual(was.document[name], is.document[name]),
  )
  // Tests may stand beside the rule, so they are compared as they were read.
  return isDeepStrictEqual(testsOf(was), testsOf(is)) ? inDocument : [...inDocument, 'tests']
}

function testsOf(rule: Rule): unknown[] {
  return rule.tests.map(({ name, start, input, endMs, expect }) => ({
    name,
    start,
    input,
    endMs,
    expect,
  }))
}
