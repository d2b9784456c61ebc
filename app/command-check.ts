import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import {
  errorCodes,
  formatProblem,
  loadCheckedRules,
  type RuleFile,
  type RuleProblem,
  TocsinError,
} from '../src/index.ts'
import { type Config, parseConfig } from './config.ts'
import { tryConnections } from './connection-check.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { surroundingsOf } from './load-rules.ts'
import { packageVersion } from './package-root.ts'
import { defaultConfigPath } from './read-config.ts'
import { readRuleFolder, readText } from './rule-folder.ts'
import { paint, type Terminal } from './terminal.ts'

export interface CheckOptions {
  readonly config?: string
  readonly connect?: boolean
  readonly format: 'pretty' | 'json' | 'sarif'
}

interface Findings {
  readonly problems: RuleProblem[]
  readonly warnings: RuleProblem[]
  rules: number
}

/**
 * `tocsin check`: everything that is wrong with rules and configuration. Without a path it checks
 * `tocsin.yaml` and its rules, or `rules/` where there is none.
 */
export async function checkCommand(
  paths: readonly string[],
  options: CheckOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const findings: Findings = { problems: [], warnings: [], rules: 0 }
  const configPath = options.config ?? paths.find(isConfigPath) ?? configHere(paths)
  const config = configPath === undefined ? null : checkConfig(configPath, findings)
  const rulePaths = paths.filter((path) => !isConfigPath(path))
  if (rulePaths.length > 0) checkRules(rulesIn(rulePaths), config, findings)
  else if (config !== null) {
    // A configuration may be written before its first rule.
    const files = existsSync(config.rulesPath) ? readRuleFolder([config.rulesPath]) : []
    checkRules(files, config, findings)
  } else if (configPath === undefined) checkRules(rulesIn(['rules/']), null, findings)
  report(findings, options.format, terminal)
  if (findings.problems.length > 0) return exitCodes.invalid
  if (options.connect === true && config !== null) {
    terminal.conceal?.(config.conceal)
    if ((await tryConnections(config, terminal)) > 0) return exitCodes.failed
  }
  return findings.warnings.length > 0 ? exitCodes.findings : exitCodes.fine
}

function isConfigPath(path: string): boolean {
  return /^tocsin(\..+)?\.ya?ml$/.test(basename(path))
}

function configHere(paths: readonly string[]): string | undefined {
  return paths.length === 0 && existsSync(defaultConfigPath) ? defaultConfigPath : undefined
}

function checkConfig(path: string, findings: Findings): Config | null {
  const result = parseConfig(path, readText(path))
  if (result.kind === 'invalid') {
    findings.problems.push(...result.problems)
    return null
  }
  findings.warnings.push(...result.warnings)
  return result.config
}

/** @throws {TocsinError} USAGE: there is none */
function rulesIn(paths: readonly string[]): RuleFile[] {
  const files = readRuleFolder(paths)
  if (files.length > 0) return files
  const message = `there are no rules in ${paths.join(', ')}: expected *.yaml, *.yml or *.json files`
  throw new TocsinError('USAGE', message)
}

function checkRules(files: readonly RuleFile[], config: Config | null, findings: Findings): void {
  const { rules, problems, warnings } = loadCheckedRules(
    files,
    config === null ? {} : surroundingsOf(config),
  )
  findings.rules += rules.length
  findings.problems.push(...problems)
  findings.warnings.push(...warnings)
}

function report(
  { problems, warnings, rules }: Findings,
  format: CheckOptions['format'],
  terminal: Terminal,
): void {
  switch (format) {
    case 'json':
      terminal.print(`${JSON.stringify({ rules, problems, warnings }, null, 2)}\n`)
      return
    case 'sarif':
      terminal.print(`${JSON.stringify(sarifLog(problems, warnings), null, 2)}\n`)
      return
    case 'pretty': {
      const { print } = terminal.colors
      for (const problem of problems) {
        terminal.print(`${paint('error', 'red', print)} ${formatProblem(problem)}\n`)
      }
      for (const warning of warnings) {
        terminal.print(`${paint('warning', 'yellow', print)} ${formatProblem(warning)}\n`)
      }
      const counts = [`${rules} valid`, `${problems.length} errors`, `${warnings.length} warnings`]
      terminal.say(`rules: ${counts.join(', ')}\n`)
    }
  }
}

/** Static Analysis Results Interchange Format 2.1.0, as code hosts show it beside the lines. */
function sarifLog(problems: readonly RuleProblem[], warnings: readonly RuleProblem[]): unknown {
  const results = [
    ...problems.map((problem) => sarifResult(problem, 'error')),
    ...warnings.map((problem) => sarifResult(problem, 'warning')),
  ]
  const rules = Object.entries(errorCodes).map(([id, text]) => ({ id, shortDescription: { text } }))
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver: { name: 'tocsin', version: packageVersion(), rules } }, results }],
  }
}

function sarifResult({ code, file, line, column, path, message }: RuleProblem, level: string) {
  return {
    ruleId: code,
    level,
    message: { text: path === '' ? message : `${message} (at ${path})` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: file.split('/').map(encodeURIComponent).join('/') },
          region: { startLine: line, startColumn: column },
        },
      },
    ],
  }
}
