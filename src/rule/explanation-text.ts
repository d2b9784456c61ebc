import { formatDuration } from '../expression/time-value.ts'
import type { ExplainedCondition, RuleExplanation, StateBound } from './explain.ts'
import type { ExplainedEdge, ExplainedState } from './explain-automaton.ts'

/** An explanation for a terminal: lines of plain text, the last one with a line break. */
export function explanationText(explanation: RuleExplanation): string {
  const { automaton } = explanation
  const lines = [
    ...headLines(explanation),
    '',
    'automaton',
    ...automaton.states.flatMap((state) => stateLines(state, automaton.edges)),
    '',
    'conditions',
    ...explanation.conditions.flatMap(conditionLines),
    '',
    'state of a key',
    ...boundLines(explanation.state),
  ]
  return `${lines.join('\n')}\n`
}

function headLines(explanation: RuleExplanation): string[] {
  const { rule, version, detects, streams, key, withinMs, afterMatch } = explanation
  return [
    `rule ${rule}, version ${version}: ${detects}`,
    `  streams      ${streams.join(', ')}`,
    `  key          ${key.map(keyText).join(', ')}`,
    `  within       ${withinMs === null ? 'no limit' : formatDuration(withinMs)}`,
    `  after_match  ${afterMatch}`,
  ]
}

function keyText({ name, paths }: RuleExplanation['key'][number]): string {
  const entries = Object.entries(paths)
  if (entries.every(([, path]) => path === name)) return name
  return `${name} (${entries.map(([stream, path]) => `${stream}: ${path}`).join(', ')})`
}

function stateLines(state: ExplainedState, edges: readonly ExplainedEdge[]): string[] {
  const { name, kind, withinMs } = state
  const marks = [
    ...(kind === 'start' ? ['start'] : []),
    ...(withinMs === null ? [] : [`at most ${formatDuration(withinMs)} here`]),
  ]
  const mark = marks.length === 0 ? '' : ` (${marks.join(', ')})`
  return [`  ${name}${mark}`, ...edges.filter(({ from }) => from === name).map(edgeLine)]
}

function edgeLine({ action, step, to, condition, completes }: ExplainedEdge): string {
  const what = step === null ? action : `take ${step}`
  const when = action === 'time' ? 'at' : 'if'
  return `    ${what} -> ${to}${completes ? ' and match' : ''} ${when} ${condition}`
}

function conditionLines(condition: ExplainedCondition): string[] {
  const { place, name, predicate, unary, iterative } = condition
  const title = name === '' ? place : `${place} ${name}`
  const over = predicate === null ? '' : `predicate ${predicate}`
  const lines = [
    ...unary.map((text) => `    once an event (${over}): ${text}`),
    ...iterative.map((text) => `    for each partial match: ${text}`),
  ]
  return [`  ${title}`, ...(lines.length === 0 ? ['    every event'] : lines)]
}

function boundLines({ limit, keptMs, perFirst, reasons }: StateBound): string[] {
  const kept = keptMs === null ? 'without end' : `for at most ${formatDuration(keptMs)}`
  const each =
    perFirst === '1' ? '' : `, each with partial matches in the order of ${perFirst} for n that fit`
  const bound = limit === 0 ? '  nothing' : `  ${limit} first events${each}, kept ${kept}`
  return [bound, ...reasons.map((reason) => `  - ${reason}`)]
}
