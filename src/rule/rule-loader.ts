import { lastNameOf } from './document-path.ts'
import {
  type CheckedRule,
  checkExpressions,
  type ExpressionSurroundings,
} from './expression-check.ts'
import type { Rule } from './rule.ts'
import { type RuleDrafts, type RuleSurroundings, readRuleFiles } from './rule-draft.ts'
import type { RuleFile } from './rule-file.ts'
import { type RuleProblem, sortProblems } from './rule-problem.ts'

/** Outcome of loading: with any problem nothing should run, whatever rules are fine. */
export interface LoadedRules {
  /** The rules without a problem, in order of files and documents. */
  readonly rules: readonly Rule[]
  /** All mistakes of all files, one for one mistake, in order of place. */
  readonly problems: readonly RuleProblem[]
  /** What is valid, but may not mean or cost what its author thinks. */
  readonly warnings: readonly RuleProblem[]
}

/** As `LoadedRules`, with the expressions of each rule parsed. */
export interface LoadedCheckedRules extends Omit<LoadedRules, 'rules'> {
  readonly rules: readonly CheckedRule[]
}

/** Loads rule files without a look at their expressions: for tools that only list or compare. */
export function loadRules(
  files: readonly RuleFile[],
  surroundings: RuleSurroundings = {},
): LoadedRules {
  const read = readRuleFiles(files, surroundings)
  return loaded(read, files, (rule) => ({ rule, problems: [] }))
}

/** Loads rule files whole: what is given has no mistake that can be known before it runs. */
export function loadCheckedRules(
  files: readonly RuleFile[],
  surroundings: RuleSurroundings & ExpressionSurroundings = {},
): LoadedCheckedRules {
  const read = readRuleFiles(files, surroundings)
  return loaded(read, files, (rule) => {
    const { checked, problems } = checkExpressions(rule, surroundings)
    return { rule: checked, problems }
  })
}

/**
 * All problems of a rule, in order of place; a keyword that is not built is said once, where it
 * stands first: a table in a condition is most likely in the tests too.
 */
function eachNotYetOnce(
  ofSchema: readonly RuleProblem[],
  ofReading: readonly RuleProblem[],
  ofExpressions: readonly RuleProblem[],
): RuleProblem[] {
  const inExpressions = new Set(ofExpressions)
  const said = new Set<string>()
  return sortProblems([...ofSchema, ...ofReading, ...ofExpressions]).filter((problem) => {
    if (problem.code !== 'RULE_NOT_YET') return true
    // In expressions tables are all that there is not.
    const keyword = inExpressions.has(problem) ? 'tables' : lastNameOf(problem.path)
    const first = !said.has(keyword)
    said.add(keyword)
    return first
  })
}

function loaded<Kind>(
  { drafts, problems, warnings }: RuleDrafts,
  files: readonly RuleFile[],
  check: (rule: Rule) => { readonly rule: Kind; readonly problems: readonly RuleProblem[] },
): {
  readonly rules: Kind[]
  readonly problems: RuleProblem[]
  readonly warnings: RuleProblem[]
} {
  const rules: Kind[] = []
  const allProblems = [...problems]
  const allWarnings = [...warnings]
  for (const { reading, schemaProblems, rule } of drafts) {
    const checked = rule === null ? null : check(rule)
    const expressionProblems = (checked?.problems ?? []).filter(
      ({ path, file }) => file !== reading.document.file || !reading.isTainted(path),
    )
    const own = eachNotYetOnce(schemaProblems, reading.problems, expressionProblems)
    allProblems.push(...own)
    allWarnings.push(...reading.warnings)
    if (own.length === 0 && checked !== null) rules.push(checked.rule)
  }
  const order = files.map(({ path }) => path)
  return {
    rules,
    problems: sortProblems(allProblems, order),
    warnings: sortProblems(allWarnings, order),
  }
}
