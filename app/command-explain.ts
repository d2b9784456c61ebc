import { existsSync } from 'node:fs'
import {
  type CheckedRule,
  explainRule,
  explanationDot,
  explanationMermaid,
  explanationText,
  nearName,
  type RuleExplanation,
  TocsinError,
} from '../src/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { loadRulesToRun } from './load-rules.ts'
import { defaultConfigPath, readConfig } from './read-config.ts'
import type { Terminal } from './terminal.ts'

export interface ExplainOptions {
  readonly rules?: string
  readonly event?: string
  readonly key?: string
  readonly format: 'text' | 'mermaid' | 'dot' | 'json'
}

/** `tocsin explain RULE`: the automaton of a rule, its conditions, and the bound on its state. */
export async function explainCommand(
  rule: string,
  options: ExplainOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  if (options.event !== undefined || options.key !== undefined) {
    const message = 'not yet: explain says what a rule is, but not how far events got in it'
    throw new TocsinError('USAGE', message)
  }
  const explained = rulesCalled(rule, options, terminal).map(explainRule)
  switch (options.format) {
    case 'json': {
      const document = explained.length === 1 ? explained[0] : explained
      terminal.print(`${JSON.stringify(document, null, 2)}\n`)
      break
    }
    case 'text':
      terminal.print(explained.map(explanationText).join('\n'))
      break
    case 'mermaid':
      terminal.print(drawn(explained, explanationMermaid))
      break
    case 'dot':
      terminal.print(drawn(explained, explanationDot))
  }
  return exitCodes.fine
}

function drawn(
  explained: readonly RuleExplanation[],
  draw: (explanation: RuleExplanation) => string,
): string {
  return explained.map((one) => `${draw(one).trimEnd()}\n`).join('\n')
}

/** Those of a file or folder, or the one with that id. */
function rulesCalled(
  rule: string,
  { rules: folder }: ExplainOptions,
  terminal: Terminal,
): readonly CheckedRule[] {
  if (existsSync(rule) || rule.includes('/') || /\.(ya?ml|json)$/.test(rule)) {
    return loadRulesToRun(rule)
  }
  const configured =
    folder === undefined && existsSync(defaultConfigPath)
      ? readConfig(undefined, terminal).rulesPath
      : undefined
  const path = folder ?? configured ?? 'rules/'
  const rules = loadRulesToRun(path)
  const called = rules.filter((checked) => checked.rule.id === rule)
  if (called.length > 0) return called
  const ids = rules.map((checked) => checked.rule.id)
  const near = nearName(rule, ids)
  const hint = near === undefined ? `there are ${ids.join(', ')}` : `did you mean \`${near}\`?`
  throw new TocsinError('USAGE', `no rule in ${path} has the id \`${rule}\`: ${hint}`)
}
