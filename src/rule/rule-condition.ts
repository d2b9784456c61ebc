import { parseExpression } from '../expression/cel-parser.ts'
import { conjunctTexts, schemaConjunctText } from '../expression/conjunct.ts'
import type { Expression } from '../expression/expression.ts'
import { readsOf } from '../expression/expression-analysis.ts'
import type { ExpressionScope } from '../expression/expression-scope.ts'
import { type CheckedRule, expressionOf } from './expression-check.ts'
import { RuleScopes } from './expression-scopes.ts'
import type { EventTest, ExpressionText, SchemaText } from './rule.ts'

/** A condition as its author wrote it, in the parts of which all must hold. */
export interface RuleCondition {
  /** All of it in one line. */
  readonly text: string
  readonly conjuncts: readonly Conjunct[]
}

export interface Conjunct {
  readonly text: string
  readonly expression: Expression
  /** Whether it reads the event only, so that it is evaluated once over the batch. */
  readonly unary: boolean
}

/** What an event must be; `null` where every event fits. */
export function conditionOfTest(checked: CheckedRule, test: EventTest): RuleCondition | null {
  const scope = scopesOf(checked).ofStep(test.from)
  const conjuncts = [
    ...streamConjuncts(checked, test.from),
    ...(test.match === null ? [] : schemaConjuncts(checked, test.match)),
    ...(test.where === null ? [] : textConjuncts(checked, test.where, scope)),
  ]
  return conjuncts.length === 0 ? null : conditionOf(conjuncts)
}

/** That of a `filter`. */
export function conditionOfFilter(checked: CheckedRule): RuleCondition | null {
  const { filter } = checked.rule
  if (filter === null) return null
  return conditionOf(textConjuncts(checked, filter, scopesOf(checked).ofEvent(null)))
}

/** That of an `until`. */
export function conditionOfUntil(
  checked: CheckedRule,
  until: ExpressionText | null,
  from: string | null,
): RuleCondition | null {
  if (until === null) return null
  return conditionOf(textConjuncts(checked, until, scopesOf(checked).ofStep(from)))
}

/** Schemas of streams play no part: the rule has been checked against them. */
function scopesOf({ rule }: CheckedRule): RuleScopes {
  return new RuleScopes(rule, new Map())
}

function conditionOf(conjuncts: readonly Conjunct[]): RuleCondition {
  const texts = conjuncts.map(({ text }) => text)
  return {
    text: texts.length === 1 ? (texts[0] as string) : texts.map(guarded).join(' && '),
    conjuncts,
  }
}

/** A text that `&&` would tear apart goes into parentheses. */
function guarded(text: string): string {
  return /\|\||\?/.test(text) ? `(${text})` : text
}

function streamConjuncts({ rule }: CheckedRule, from: string | null): Conjunct[] {
  if (from === null || rule.from.length === 1) return []
  const right: Expression = { kind: 'literal', value: from }
  const expression: Expression = {
    kind: 'compare',
    operator: '==',
    left: { kind: 'stream' },
    right,
  }
  return [{ text: `stream == ${JSON.stringify(from)}`, expression, unary: true }]
}

function schemaConjuncts(checked: CheckedRule, match: SchemaText): Conjunct[] {
  const whole = expressionOf(checked, match)
  const parts = whole.kind === 'and' ? whole.operands : [whole]
  return parts
    .filter((part) => part.kind !== 'literal' || part.value !== true)
    .map((expression) => ({ text: schemaConjunctText(expression), expression, unary: true }))
}

function textConjuncts(
  checked: CheckedRule,
  part: ExpressionText,
  scope: ExpressionScope,
): Conjunct[] {
  const conjuncts: Conjunct[] = []
  for (const text of conjunctTexts(part.text)) {
    const parsed = parseExpression(text, scope)
    // A part that means nothing alone is explained with the whole.
    if ('problems' in parsed) return [conjunctOf(part.text, expressionOf(checked, part))]
    conjuncts.push(conjunctOf(text, parsed.expression))
  }
  return conjuncts
}

function conjunctOf(text: string, expression: Expression): Conjunct {
  return { text: oneLine(text), expression, unary: readsOf(expression).unary }
}

/** Line breaks and runs of blanks outside of quotes are one blank. */
function oneLine(text: string): string {
  return text
    .trim()
    .replaceAll(
      /("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\s+/g,
      (_, quoted: string | undefined) => quoted ?? ' ',
    )
}
