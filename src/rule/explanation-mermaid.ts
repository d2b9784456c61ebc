import { formatDuration } from '../expression/time-value.ts'
import type { RuleExplanation } from './explain.ts'
import type { ExplainedEdge, ExplainedState } from './explain-automaton.ts'

/** The automaton as a Mermaid flowchart. */
export function explanationMermaid({ automaton }: RuleExplanation): string {
  const ids = new Map(automaton.states.map(({ name }, index) => [name, `s${index}`]))
  const lines = [
    'flowchart LR',
    ...automaton.states.map((state) => `  ${ids.get(state.name)}${nodeShape(state)}`),
    ...automaton.edges.map((edge) => `  ${ids.get(edge.from)} ${arrow(edge)} ${ids.get(edge.to)}`),
  ]
  return `${lines.join('\n')}\n`
}

/** What an edge says in a drawing, cut where it would be too long to draw. */
export function edgeLabel({ action, step, condition, completes }: ExplainedEdge): string {
  const what = step === null ? action : `take ${step}`
  const clipped = condition.length > labelMax ? `${condition.slice(0, labelMax - 1)}…` : condition
  const text = condition === 'true' ? what : `${what}: ${clipped}`
  return completes ? `${text} (and match)` : text
}

/** What a state says in a drawing. */
export function stateLabel({ name, withinMs }: ExplainedState): string {
  return withinMs === null ? name : `${name} (at most ${formatDuration(withinMs)})`
}

const labelMax = 100

function nodeShape(state: ExplainedState): string {
  const label = `"${escaped(stateLabel(state))}"`
  switch (state.kind) {
    case 'start':
      return `([${label}])`
    case 'match':
      return `(((${label})))`
    case 'stop':
      return `{{${label}}}`
    case 'waiting':
    case 'absent':
      return `[${label}]`
  }
}

function arrow(edge: ExplainedEdge): string {
  const label = `|"${escaped(edgeLabel(edge))}"|`
  switch (edge.action) {
    case 'take':
      return `-->${label}`
    case 'time':
      return `==>${label}`
    case 'skip':
      return `-.->${label}`
    case 'stop':
      return `--x${label}`
  }
}

/** Whatever could mean something to Mermaid or to HTML goes in as its character code. */
function escaped(text: string): string {
  return text.replaceAll(/[^\w .,:=+*/()'!-]/gu, (char) => `#${char.codePointAt(0)};`)
}
