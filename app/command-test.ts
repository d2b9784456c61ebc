import { existsSync, readFileSync } from 'node:fs'
import {
  type CheckedRule,
  eventFilesOf,
  loadCheckedRules,
  type RuleTestResult,
  runRuleTests,
  TocsinError,
} from '../src/index.ts'
import type { ConfigOutline } from './config-outline.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { junitReport } from './junit-report.ts'
import { InvalidInput } from './load-rules.ts'
import { readConfigOutline, redactOf } from './read-config.ts'
import { readRuleFolder } from './rule-folder.ts'
import { paint, type Terminal } from './terminal.ts'

export interface TestOptions {
  /** Says where rules are, and what their streams redact. */
  readonly config?: string
  readonly run?: string
  readonly format: 'pretty' | 'json' | 'junit'
}

/** `tocsin test`: the rules' own tests, on the engine, in virtual time. */
export async function testCommand(
  paths: readonly string[],
  options: TestOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const wanted = options.run === undefined ? null : expressionOf(options.run)
  const config = readConfigOutline(options.config, terminal)
  const rules = rulesToTest(paths.length > 0 ? paths : [config.rulesPath], config)
  const startedAt = performance.now()
  const results = rules.flatMap((checked) =>
    runRuleTests(checked, {
      files: eventFiles(checked),
      select: ({ name }) => wanted?.test(`${checked.rule.id} > ${name}`) ?? true,
    }),
  )
  const elapsedMs = performance.now() - startedAt
  if (wanted !== null && results.length === 0) {
    throw new TocsinError('USAGE', `--run ${options.run}: no test has such a name (RULE > TEST)`)
  }
  const failed = results.filter(({ passed }) => !passed).length
  switch (options.format) {
    case 'json':
      terminal.print(
        `${JSON.stringify({ passed: results.length - failed, failed, tests: results }, null, 2)}\n`,
      )
      break
    case 'junit':
      terminal.print(junitReport(results, elapsedMs))
      break
    case 'pretty':
      printPretty(rules, results, terminal)
  }
  if (wanted === null) sayUntested(rules, results, terminal)
  return failed > 0 ? exitCodes.findings : exitCodes.fine
}

function expressionOf(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    throw new TocsinError('USAGE', `--run ${text}: ${(error as Error).message}`)
  }
}

function rulesToTest(paths: readonly string[], config: ConfigOutline): readonly CheckedRule[] {
  const redact = redactOf(config)
  const { rules, problems } = loadCheckedRules(readRuleFolder(paths), { redact })
  if (problems.length > 0) throw new InvalidInput(problems)
  if (rules.length > 0) return rules
  const message = `there are no rules in ${paths.join(', ')}: expected *.yaml, *.yml or *.json files`
  throw new TocsinError('USAGE', message)
}

/** A file that is missing here fails its test, with its place. */
export function eventFiles({ rule }: CheckedRule): Map<string, string> {
  const texts = new Map<string, string>()
  for (const path of eventFilesOf(rule)) {
    if (existsSync(path)) texts.set(path, readFileSync(path, 'utf8'))
  }
  return texts
}

function printPretty(
  rules: readonly CheckedRule[],
  results: readonly RuleTestResult[],
  terminal: Terminal,
): void {
  const { print } = terminal.colors
  for (const { rule } of rules) {
    const own = results.filter((result) => result.rule === rule.id)
    if (own.length === 0) continue
    const failures = own.filter(({ passed }) => !passed)
    const where = `${rule.file}  ${rule.id}`
    if (failures.length === 0) {
      terminal.print(`${paint('PASS', 'green', print)} ${where}: ${own.length} passed\n`)
      continue
    }
    const counts = `${own.length - failures.length} passed, ${failures.length} failed`
    terminal.print(`${paint('FAIL', 'red', print)} ${where}: ${counts}\n`)
    for (const failure of failures) terminal.print(failureText(failure))
  }
  const failed = results.filter(({ passed }) => !passed).length
  if (results.length > 0) {
    terminal.print(`${results.length - failed} passed, ${failed} failed\n`)
  }
}

/** What differs, each with the place of its expectation. */
export function failureText({ test, mismatches, notes }: RuleTestResult): string {
  const lines = [`  ${test}`]
  for (const { location, message } of mismatches) {
    lines.push(`    ${location.file}:${location.line}:${location.column}: ${message}`)
  }
  lines.push(...notes.map((note) => `    note: ${note}`))
  return `${lines.join('\n')}\n`
}

function sayUntested(
  rules: readonly CheckedRule[],
  results: readonly RuleTestResult[],
  terminal: Terminal,
): void {
  if (results.length === 0) {
    terminal.say(
      'no tests found: write them under `tests:` in a rule, or in x.test.yaml beside it\n',
    )
    return
  }
  const tested = new Set(results.map(({ rule }) => rule))
  const untested = rules.map(({ rule }) => rule.id).filter((id) => !tested.has(id))
  if (untested.length > 0) terminal.say(`without tests: ${untested.join(', ')}\n`)
}
