import { diffRules, loadRules, type Rule, type RuleDiff } from '../src/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { InvalidInput } from './load-rules.ts'
import { readRuleFolder } from './rule-folder.ts'
import { paint, type Terminal } from './terminal.ts'

export interface DiffOptions {
  readonly format: 'pretty' | 'json'
}

/** `tocsin diff OLD NEW`: which edits keep state. */
export async function diffCommand(
  oldPath: string,
  newPath: string,
  options: DiffOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const diff = diffRules(rulesAt(oldPath), rulesAt(newPath))
  if (options.format === 'json') terminal.print(`${JSON.stringify(diff, null, 2)}\n`)
  else terminal.print(diffText(diff, terminal))
  return exitCodes.fine
}

function rulesAt(path: string): readonly Rule[] {
  const { rules, problems } = loadRules(readRuleFolder([path]))
  if (problems.length > 0) throw new InvalidInput(problems)
  return rules
}

function diffText({ added, removed, changed, unchanged }: RuleDiff, terminal: Terminal): string {
  const { print } = terminal.colors
  const lines = changed.map(({ id, keepsState, keywords }) => {
    const what = keepsState
      ? paint('keeps state', 'green', print)
      : paint('starts anew', 'yellow', print)
    return `~ ${id}: ${what} (${keywords.join(', ')})`
  })
  lines.push(...added.map((id) => `+ ${id}: added`))
  lines.push(...removed.map((id) => `- ${id}: removed`))
  lines.push(`${unchanged.length} unchanged`)
  return `${lines.join('\n')}\n`
}
