import {
  type CheckedRule,
  formatProblem,
  type LoadedCheckedRules,
  loadCheckedRules,
  type RuleProblem,
  TocsinError,
} from '../src/index.ts'
import type { Config } from './config.ts'
import { readRuleFolder } from './rule-folder.ts'
import type { Terminal } from './terminal.ts'

/** Problems that keep a command from its work; all are shown. */
export class InvalidInput extends Error {
  readonly problems: readonly RuleProblem[]
  constructor(problems: readonly RuleProblem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.name = 'InvalidInput'
    this.problems = problems
  }
}

/** What rules may refer to; without a configuration streams are known by name. */
export type Surroundings = NonNullable<Parameters<typeof loadCheckedRules>[1]>

/**
 * The rules of a folder or file, ready to run; warnings are not shown.
 * @throws {InvalidInput} with every mistake
 * @throws {TocsinError} USAGE where there is no rule
 */
export function loadRulesToRun(path: string, surroundings: Surroundings = {}): CheckedRule[] {
  return [...checkedOrThrow(loadCheckedRules(readRuleFolder([path]), surroundings), path)]
}

/**
 * What was loaded from a path, if it may run.
 * @throws as loadRulesToRun
 */
export function checkedOrThrow(
  { rules, problems }: LoadedCheckedRules,
  path: string,
): readonly CheckedRule[] {
  if (problems.length > 0) throw new InvalidInput(problems)
  if (rules.length === 0) {
    throw new TocsinError(
      'USAGE',
      `there are no rules in ${path}: expected *.yaml, *.yml or *.json files`,
    )
  }
  return rules
}

/** What the rules of a configuration may refer to. */
export function surroundingsOf(config: Config): Surroundings {
  const schemas = new Map<string, Readonly<Record<string, never>>>()
  for (const { name, schema } of config.streams) {
    if (schema !== null) schemas.set(name, schema.document)
  }
  return {
    streams: config.streams.map(({ name }) => name),
    sinks: config.sinks.map(({ name }) => name),
    schemas,
    redact: new Map(config.streams.map(({ name, redact }) => [name, redact])),
  }
}

/** Shows doubts about rules that may run all the same. */
export function sayWarnings(warnings: readonly RuleProblem[], terminal: Terminal): void {
  for (const warning of warnings) terminal.say(`warning: ${formatProblem(warning)}\n`)
}
