import type { RuleExplanation } from './explain.ts'
import type { ExplainedEdge, ExplainedState } from './explain-automaton.ts'
import { edgeLabel, stateLabel } from './explanation-mermaid.ts'

/** The automaton as a graph for Graphviz. */
export function explanationDot({ rule, automaton }: RuleExplanation): string {
  const lines = [
    `digraph ${quoted(rule)} {`,
    '  rankdir=LR',
    ...automaton.states.map(
      (state) => `  ${quoted(state.name)} [label=${quoted(stateLabel(state))}, ${shape(state)}]`,
    ),
    ...automaton.edges.map(
      (edge) =>
        `  ${quoted(edge.from)} -> ${quoted(edge.to)} [label=${quoted(edgeLabel(edge))}${style(edge)}]`,
    ),
    '}',
  ]
  return `${lines.join('\n')}\n`
}

function shape({ kind }: ExplainedState): string {
  switch (kind) {
    case 'start':
      return 'shape=oval'
    case 'match':
      return 'shape=doublecircle'
    case 'stop':
      return 'shape=octagon'
    case 'waiting':
    case 'absent':
      return 'shape=box'
  }
}

function style({ action }: ExplainedEdge): string {
  switch (action) {
    case 'take':
      return ''
    case 'skip':
      return ', style=dashed'
    case 'stop':
      return ', arrowhead=tee'
    case 'time':
      return ', style=bold'
  }
}

/** A backslash would begin an escape, a quote would end the text. */
function quoted(text: string): string {
  return `"${text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll(/[\r\n]+/g, ' ')}"`
}
