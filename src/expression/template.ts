import { parseExpression, parseSyntax } from './cel-parser.ts'
import type { Expression } from './expression.ts'
import type { ExpressionProblem, ExpressionScope } from './expression-scope.ts'
import { formatDuration, formatTimestamp } from './time-value.ts'
import { Duration, isObject, Timestamp } from './value.ts'

/** A text with expressions in it: `Card ${{ card }}: ${{ amount }}`. */
export interface Template {
  readonly parts: readonly TemplatePart[]
}

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly expression: Expression }

/** Parses a template; offsets of problems are those in the template's text. */
export function parseTemplate(
  text: string,
  scope: ExpressionScope,
): { readonly template: Template } | { readonly problems: readonly ExpressionProblem[] } {
  const parts: TemplatePart[] = []
  const problems: ExpressionProblem[] = []
  let position = 0
  while (position < text.length) {
    const open = text.indexOf(opening, position)
    const textEnd = open === -1 ? text.length : open
    if (textEnd > position) parts.push({ kind: 'text', text: text.slice(position, textEnd) })
    if (open === -1) break
    const start = open + opening.length
    const end = endOfExpression(text, start)
    if (end === -1) {
      problems.push({ message: 'an expression that no `}}` closes', start: open, end: text.length })
      break
    }
    const parsed = parseExpression(text.slice(start, end), { ...scope, result: 'any' })
    if ('expression' in parsed) parts.push({ kind: 'expression', expression: parsed.expression })
    else problems.push(...parsed.problems.map((problem) => moved(problem, start)))
    position = end + closing.length
  }
  return problems.length > 0 ? { problems } : { template: { parts } }
}

/**
 * A value as a template shows it: texts as they are, numbers in the shortest form, durations as
 * rules write them (`2h`), timestamps in RFC 3339, lists and objects as JSON, null as `null`.
 * CEL's error (a missing field) is the empty text: an alert is not held back for its title.
 */
export function formatValue(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value
  if (value instanceof Timestamp) return formatTimestamp(value.epochMs)
  if (value instanceof Duration) return formatDuration(value.milliseconds)
  return typeof value === 'object' ? JSON.stringify(jsonOf(value)) : String(value)
}

/**
 * A value as an alert carries it: timestamps as epoch milliseconds, durations as text (`2h`),
 * numbers that JSON cannot hold as text (`Infinity`), CEL's error as null.
 */
export function jsonOf(value: unknown): unknown {
  if (value === undefined) return null
  if (value instanceof Timestamp) return value.epochMs
  if (value instanceof Duration) return formatDuration(value.milliseconds)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (Array.isArray(value)) return value.map(jsonOf)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, jsonOf(part)]))
}

const opening = '$' + '{{'
const closing = '}}'
const candidatesMax = 20

/**
 * The first `}}` before which the text parses: maps and texts may have braces of their own. Where
 * nothing parses, the first one, so that the problem is told of what was most likely meant.
 */
function endOfExpression(text: string, start: number): number {
  const first = text.indexOf(closing, start)
  let end = first
  for (let tries = 0; end !== -1 && tries < candidatesMax; tries++) {
    if ('ast' in parseSyntax(text.slice(start, end))) return end
    end = text.indexOf(closing, end + 1)
  }
  return first
}

function moved(problem: ExpressionProblem, by: number): ExpressionProblem {
  return { ...problem, start: problem.start + by, end: problem.end + by }
}
