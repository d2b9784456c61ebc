import { existsSync } from 'node:fs'
import {
  type CheckedRule,
  defaultWatermarkStrategy,
  explainEvents,
  explainedRunText,
  explainRule,
  explanationDot,
  explanationMermaid,
  explanationText,
  nearName,
  type RuleExplanation,
  readEventLines,
  TocsinError,
} from '../src/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { loadRulesToRun } from './load-rules.ts'
import { defaultConfigPath, readConfig } from './read-config.ts'
import { readText } from './rule-folder.ts'
import type { Terminal } from './terminal.ts'

export interface ExplainOptions {
  readonly rules?: string
  readonly event?: string
  readonly key?: string
  /** Field of the event time; default `ts`. */
  readonly time?: string
  readonly format: 'text' | 'mermaid' | 'dot' | 'json'
}

/** `tocsin explain RULE`: the automaton of a rule, its conditions, and the bound on its state. */
export async function explainCommand(
  rule: string,
  options: ExplainOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const rules = rulesCalled(rule, options, terminal)
  if (options.event !== undefined) {
    if (options.format !== 'text' && options.format !== 'json') {
      throw new TocsinError('USAGE', `--event is told as text or json, not as ${options.format}`)
    }
    for (const checked of rules) terminal.print(toldEvents(checked, options.event, options))
    return exitCodes.fine
  }
  if (options.key !== undefined) {
    const message = '--key needs events to tell of: add --event @FILE'
    throw new TocsinError('USAGE', message)
  }
  const explained = rules.map(explainRule)
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

/** How far events of a file got in a rule, and what stopped them. */
function toldEvents(checked: CheckedRule, event: string, { time, key, format }: ExplainOptions) {
  const { rule } = checked
  const path = event.replace(/^@/, '')
  const { events, problems } = readEventLines(readText(path), rule)
  const [problem] = problems
  if (problem !== undefined) {
    throw new TocsinError('USAGE', `${path}:${problem.line}: ${problem.message}`)
  }
  const field = (time ?? 'ts').split('.')
  const streamTime = { field, unit: 'ms', watermarks: inAnyOrder } as const
  const run = explainEvents(checked, events, {
    streams: new Map(rule.from.map((stream) => [stream, streamTime])),
  })
  const keys = key === undefined ? run.keys : run.keys.filter(({ by }) => isCalled(by, key))
  if (key !== undefined && keys.length === 0) {
    const known = run.keys.slice(0, 5).map(({ by }) => Object.values(by).join(','))
    throw new TocsinError('USAGE', `no event has the key ${key}; there are ${known.join(' ')}`)
  }
  const told = { ...run, keys }
  if (format === 'json') return `${JSON.stringify(told, null, 2)}\n`
  return explainedRunText(told, (timestamp) => new Date(timestamp).toISOString())
}

/** Events to be explained are few, and none of them shall be late. */
const inAnyOrder = { ...defaultWatermarkStrategy, outOfOrdernessMs: Number.MAX_SAFE_INTEGER }

/** Whether a key is written so: its parts with commas between. */
function isCalled(by: Readonly<Record<string, unknown>>, key: string): boolean {
  const parts = Object.values(by)
  const plain = parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part)))
  return plain.join(',') === key || parts.map((part) => JSON.stringify(part)).join(',') === key
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
