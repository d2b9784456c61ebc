import type { CaseItem, ConformanceCase } from './conformance-case.ts'

/** Field that stands for the key where a case has none: every event has the same. */
export const soleKeyField = '$key'

/** The rule document that says what a case's pattern says: it takes the way of every rule. */
export function ruleDocumentOf(testCase: ConformanceCase): Record<string, unknown> {
  const { pattern } = testCase
  const { skip } = pattern
  return {
    id: 'case',
    from: 'events',
    by: testCase.keyBy ?? soleKeyField,
    detect: {
      ...(pattern.within === undefined ? { unbounded: true } : { within: `${pattern.within}ms` }),
      sequence: groupNames(pattern.steps),
      after_match: afterMatchOf(skip),
      limit: 1_000_000,
      max_matches: 1_000_000,
      emit_order: 'start',
    },
    // Tells timeouts from matches in the runner.
    on_timeout: { severity: 'critical' },
  }
}

const skipNames: Readonly<Record<string, string>> = {
  noSkip: 'no_skip',
  skipToNext: 'skip_to_next',
  skipPastLastEvent: 'skip_past_last',
  skipToFirst: 'skip_to_first',
  skipToLast: 'skip_to_last',
}

function afterMatchOf(skip: ConformanceCase['pattern']['skip']): unknown {
  const name = skipNames[skip?.strategy ?? 'noSkip'] as string
  return skip?.step === undefined ? name : { [name]: stepNameOf(skip.step) }
}

function groupNames(items: readonly CaseItem[], prefix = 'group'): Record<string, unknown>[] {
  return items.map((item, index) => itemOf(item, `${prefix}${index}`))
}

/** The name of a step in the rule: a case may call one `c*`, which no expression could say. */
export function stepNameOf(name: string): string {
  if (/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) return name
  return `step_${Buffer.from(name).toString('hex')}`
}

/** The name of a step in the case. */
export function caseNameOf(name: string): string {
  const hex = /^step_((?:[0-9a-f]{2})+)$/.exec(name)?.[1]
  return hex === undefined ? name : Buffer.from(hex, 'hex').toString()
}

function itemOf(item: CaseItem, groupName: string): Record<string, unknown> {
  const { times } = item
  const document: Record<string, unknown> = {}
  if (item.steps !== undefined) {
    document.group = groupName
    document.sequence = groupNames(item.steps, `${groupName}_`)
  } else document[item.negated === true ? 'absent' : 'step'] = stepNameOf(item.name ?? '')
  for (const keyword of ['where', 'contiguity', 'inner', 'optional', 'greedy', 'until'] as const) {
    if (item[keyword] !== undefined) document[keyword] = item[keyword]
  }
  if (item.within !== undefined) document.within = `${item.within}ms`
  if (times !== undefined) {
    const { within, ...range } = times
    document.times = within === undefined ? range : { ...range, within: `${within}ms` }
  }
  return document
}
