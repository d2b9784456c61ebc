import { nearName } from '../expression/near-name.ts'
import { joinPath } from './document-path.ts'
import { DocumentReading, listOf, objectOf, textOf, textsOf } from './document-reading.ts'
import type { Rule, RuleTest } from './rule.ts'
import {
  isPath,
  isRuleTestFile,
  normalized,
  type RuleFile,
  resolvedBeside,
  rulePathsBeside,
} from './rule-file.ts'
import type { RuleProblem } from './rule-problem.ts'
import { type ReadRule, readRule } from './rule-reader.ts'
import { ruleSchema, testFileSchema } from './rule-schema.ts'
import { createSchemaCheck } from './schema-problems.ts'
import { readTests } from './test-reader.ts'
import { parseYAMLDocuments, type YAMLDocument } from './yaml-document.ts'

/** A rule document as far as it could be read; later checks add their problems to its reading. */
export interface RuleDraft {
  readonly reading: DocumentReading
  readonly schemaProblems: readonly RuleProblem[]
  /** With the tests of files beside it. */
  readonly rule: Rule | null
}

export interface RuleDrafts {
  readonly drafts: readonly RuleDraft[]
  /** Problems that belong to no rule document: syntax, and files of tests. */
  readonly problems: readonly RuleProblem[]
  readonly warnings: readonly RuleProblem[]
}

/** What a rule may refer to; what is absent is not checked. */
export interface RuleSurroundings {
  /** Names of the declared streams. */
  readonly streams?: readonly string[]
  /** Names of the declared sinks. */
  readonly sinks?: readonly string[]
}

/** Reads all documents of all files, and gives the tests of files beside to their rules. */
export function readRuleFiles(
  files: readonly RuleFile[],
  surroundings: RuleSurroundings,
): RuleDrafts {
  const problems: RuleProblem[] = []
  const warnings: RuleProblem[] = []
  const found: FoundRule[] = []
  const testDocuments: YAMLDocument[] = []
  for (const { path, text } of files) {
    const parsed = parseYAMLDocuments(path, text)
    problems.push(...parsed.problems)
    warnings.push(...parsed.warnings)
    if (parsed.documents.length + parsed.problems.length === 0) warnings.push(nothingIn(path))
    if (isRuleTestFile(path)) testDocuments.push(...parsed.documents)
    else found.push(...parsed.documents.map((document) => readDocument(document, surroundings)))
  }
  reportDuplicates(found)
  const paths = new Set(files.map(({ path }) => normalized(path)))
  for (const document of testDocuments) {
    problems.push(...readTestDocument(document, found, paths))
  }
  const drafts = found.map(({ reading, schemaProblems, read, tests }) => ({
    reading,
    schemaProblems,
    rule: read.rule === null ? null : { ...read.rule, tests: [...read.rule.tests, ...tests] },
  }))
  return { drafts, problems, warnings }
}

function nothingIn(file: string): RuleProblem {
  const message = 'there is nothing in this file, or comments only'
  return { code: 'RULE_LINT', file, line: 1, column: 1, path: '', message }
}

interface FoundRule {
  readonly reading: DocumentReading
  readonly schemaProblems: readonly RuleProblem[]
  readonly read: ReadRule
  /** Those of files beside. */
  readonly tests: RuleTest[]
}

const checkRuleSchema = createSchemaCheck(ruleSchema, 'RULE_SCHEMA')
const checkTestFileSchema = createSchemaCheck(testFileSchema, 'RULE_SCHEMA')

function readDocument(document: YAMLDocument, surroundings: RuleSurroundings): FoundRule {
  const schemaProblems = configurationProblem(document) ?? checkRuleSchema(document)
  const reading = new DocumentReading(document, schemaProblems)
  const read = readRule(reading)
  checkSurroundings(reading, surroundings)
  return { reading, schemaProblems, read, tests: [] }
}

/** All that a rule lacks and a configuration has would say less than what the file is. */
function configurationProblem({ value, locate }: YAMLDocument): RuleProblem[] | null {
  const keywords = objectOf(value)
  const keyword = ['streams', 'sinks'].find((name) => keywords[name] !== undefined)
  if (keyword === undefined || keywords.detect !== undefined) return null
  const message = `\`${keyword}\` belongs in a configuration, and this is read as a rule: name it with --config`
  return [{ code: 'RULE_SCHEMA', ...locate(keyword), path: '', message }]
}

function checkSurroundings(reading: DocumentReading, surroundings: RuleSurroundings): void {
  const { from, alert, on_timeout: onTimeout } = objectOf(reading.document.value)
  const { streams, sinks } = surroundings
  const check = (
    what: string,
    names: readonly string[] | undefined,
    value: unknown,
    at: string,
  ) => {
    for (const [index, name] of textsOf(value).entries()) {
      if (names === undefined || names.includes(name)) continue
      const path = Array.isArray(value) ? joinPath(at, index) : at
      const message = `no ${what} is named \`${name}\``
      reading.report('RULE_REFERENCE', path, message, nearName(name, names))
    }
  }
  check('stream', streams, from, 'from')
  check('sink', sinks, listOf(objectOf(alert).to), 'alert.to')
  check('sink', sinks, listOf(objectOf(onTimeout).to), 'on_timeout.to')
}

function reportDuplicates(found: readonly FoundRule[]): void {
  const first = new Map<string, DocumentReading>()
  for (const { reading, read } of found) {
    if (read.id === null || reading.isTainted('id')) continue
    const other = first.get(read.id)
    if (other === undefined) first.set(read.id, reading)
    else {
      const { file, line } = other.document.locate('id')
      const message = `the id \`${read.id}\` is taken by the rule in ${file}, line ${line}`
      reading.report('RULE_DUPLICATE', 'id', message)
    }
  }
}

function readTestDocument(
  document: YAMLDocument,
  found: readonly FoundRule[],
  paths: ReadonlySet<string>,
): RuleProblem[] {
  const schemaProblems = checkTestFileSchema(document)
  const reading = new DocumentReading(document, schemaProblems)
  const { rule, tests } = objectOf(document.value)
  const owner = ownerOf(reading, textOf(rule), found, paths)
  if (owner !== null) owner.tests.push(...readTests(reading, tests, owner.read.subject))
  return [...schemaProblems, ...reading.problems]
}

/** The rule that a document of tests is of; `null` is reported, or has been with its file. */
function ownerOf(
  reading: DocumentReading,
  rule: string | null,
  found: readonly FoundRule[],
  paths: ReadonlySet<string>,
): FoundRule | null {
  const { file } = reading.document
  if (rule !== null && !isPath(rule)) {
    const owner = found.find(({ read }) => read.id === rule)
    if (owner !== undefined) return owner
    const ids = found.flatMap(({ read }) => read.id ?? [])
    reading.report('RULE_REFERENCE', 'rule', `no rule has the id \`${rule}\``, nearName(rule, ids))
    return null
  }
  const candidates = rule === null ? rulePathsBeside(file) : [resolvedBeside(file, rule)]
  const path = candidates.find((candidate) => paths.has(candidate))
  if (path === undefined) {
    const message =
      rule === null
        ? 'no rule file has the same name: say with `rule` which rule the tests are of'
        : `there is no rule file \`${rule}\``
    reading.report('RULE_REFERENCE', rule === null ? '' : 'rule', message)
    return null
  }
  const owners = found.filter((one) => normalized(one.reading.document.file) === path)
  if (owners.length > 1) {
    const message = `\`${path}\` has ${owners.length} rules: say with \`rule\` the id of one`
    reading.report('RULE_REFERENCE', rule === null ? '' : 'rule', message)
  }
  return owners.length === 1 ? (owners[0] as FoundRule) : null
}
