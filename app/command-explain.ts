import { existsSync, readFileSync } from 'node:fs'
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
  type StreamTime,
  TocsinError,
} from '../src/index.ts'
import type { ConfigOutline, StreamOutline } from './config-outline.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { loadRulesToRun } from './load-rules.ts'
import { readConfigOutline, redactOf } from './read-config.ts'
import { readText } from './rule-folder.ts'
import type { Terminal } from './terminal.ts'

export interface ExplainOptions {
  /** Says where rules are, how streams write their event time, and what they redact. */
  readonly config?: string
  readonly rules?: string
  readonly event?: string
  readonly key?: string
  /** Field of the event time; default: what the configuration says, or `ts`. */
  readonly time?: string
  readonly format: 'text' | 'mermaid' | 'dot' | 'json'
}

/** `tocsin explain RULE`: the automaton of a rule, its conditions, and the bound on its state. */
export async function explainCommand(
  rule: string,
  options: ExplainOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = readConfigOutline(options.config, terminal)
  const rules = rulesCalled(rule, options, config)
  if (options.event !== undefined) {
    if (options.format !== 'text' && options.format !== 'json') {
      throw new TocsinError('USAGE', `--event is told as text or json, not as ${options.format}`)
    }
    for (const checked of rules) {
      terminal.print(toldEvents(checked, options.event, options, config, terminal))
    }
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
function toldEvents(
  checked: CheckedRule,
  event: string,
  { time, key, format }: ExplainOptions,
  config: ConfigOutline,
  terminal: Terminal,
): string {
  const { rule } = checked
  const { name, text } = givenEvents(event)
  const { events, problems } = readEventLines(text, rule)
  const malformed = problems.map(({ line, message }) => `${name}:${line}: ${message}`)
  const [first] = malformed
  if (events.length === 0 && first !== undefined) throw new TocsinError('USAGE', first)
  for (const line of malformed.slice(0, malformedToldMax)) {
    terminal.say(`warning: ${line}; the line is left out\n`)
  }
  if (malformed.length > malformedToldMax) {
    terminal.say(`warning: ${malformed.length - malformedToldMax} more lines are left out\n`)
  }
  const run = explainEvents(checked, events, {
    streams: new Map(
      rule.from.map((stream) => [stream, streamTime(config.streams.get(stream), time)]),
    ),
    ...(key === undefined ? {} : { selects: (by) => isCalled(by, key) }),
  })
  if (key !== undefined && run.keys.length === 0) {
    const known = run.otherKeys.slice(0, 5).map((by) => Object.values(by).join(','))
    const there = known.length === 0 ? 'no event has any' : `there are ${known.join(' ')}`
    throw new TocsinError('USAGE', `no event has the key ${key}; ${there}`)
  }
  const { otherKeys: _, ...told } = run
  if (format === 'json') return `${JSON.stringify(told, null, 2)}\n`
  return explainedRunText(run, (timestamp) => new Date(timestamp).toISOString())
}

/** So many lines that hold no event are told of one by one. */
const malformedToldMax = 10

/** One event as JSON, those of a file, or with `-` those of stdin. */
function givenEvents(event: string): { readonly name: string; readonly text: string } {
  if (event.trimStart().startsWith('{')) return { name: '--event', text: event }
  const path = event.replace(/^@/, '')
  if (path === '-') return { name: 'stdin', text: readFileSync(0, 'utf8') }
  return { name: path, text: readText(path) }
}

function streamTime(stream: StreamOutline | undefined, field: string | undefined): StreamTime {
  return {
    field: (field ?? stream?.timeField ?? 'ts').split('.'),
    unit: stream?.timeUnit ?? 'ms',
    watermarks: inAnyOrder,
  }
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
  config: ConfigOutline,
): readonly CheckedRule[] {
  const surroundings = { redact: redactOf(config) }
  if (existsSync(rule) || rule.includes('/') || /\.(ya?ml|json)$/.test(rule)) {
    return loadRulesToRun(rule, surroundings)
  }
  const path = folder ?? config.rulesPath
  const rules = loadRulesToRun(path, surroundings)
  const called = rules.filter((checked) => checked.rule.id === rule)
  if (called.length > 0) return called
  const ids = rules.map((checked) => checked.rule.id)
  const near = nearName(rule, ids)
  const hint = near === undefined ? `there are ${ids.join(', ')}` : `did you mean \`${near}\`?`
  throw new TocsinError('USAGE', `no rule in ${path} has the id \`${rule}\`: ${hint}`)
}
