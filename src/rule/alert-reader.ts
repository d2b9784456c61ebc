import { joinPath } from './document-path.ts'
import {
  type DocumentReading,
  isObject,
  listOf,
  textOf,
  textsOf,
  wordOf,
} from './document-reading.ts'
import type { AlertBlock, Dedupe, ExpressionText, RuleException, Severity } from './rule.ts'
import { readExpression } from './sequence-reader.ts'

/** Reads `alert` or `on_timeout`; an absent block is an empty one. */
export function readAlertBlock(reading: DocumentReading, value: unknown, path: string): AlertBlock {
  const block = isObject(value) ? value : {}
  return {
    title: readExpression(block.title, joinPath(path, 'title')),
    severity: wordOf(block.severity, severities),
    dedupe: readDedupe(reading, block.dedupe, joinPath(path, 'dedupe')),
    fields: readFields(reading, block.fields, joinPath(path, 'fields')),
    to: Array.isArray(block.to) ? textsOf(block.to) : null,
    path,
  }
}

export const severities: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical']

/** Reads `exceptions`. */
export function readExceptions(reading: DocumentReading, value: unknown): RuleException[] {
  return listOf(value).flatMap((exception, index) => {
    if (!isObject(exception)) return []
    const path = joinPath('exceptions', index)
    const where = readExpression(exception.where, joinPath(path, 'where'))
    const expires = reading.time(exception.expires, joinPath(path, 'expires'))
    if (where === null) return []
    return [{ name: textOf(exception.name) ?? '', where, expires }]
  })
}

function readDedupe(reading: DocumentReading, value: unknown, path: string): Dedupe | null {
  if (!isObject(value)) return null
  const byPath = joinPath(path, 'by')
  const by = listOf(value.by).flatMap(
    (text, index) => readExpression(text, joinPath(byPath, index)) ?? [],
  )
  const forMs = reading.duration(value.for, joinPath(path, 'for'))
  return forMs === null ? null : { by, forMs }
}

/** In a list an expression is its own name. */
function readFields(
  reading: DocumentReading,
  value: unknown,
  path: string,
): Map<string, ExpressionText> {
  const fields = new Map<string, ExpressionText>()
  const entries = Array.isArray(value)
    ? value.map((text, index) => [String(text), text, joinPath(path, index)] as const)
    : Object.entries(isObject(value) ? value : {}).map(
        ([name, text]) => [name, text, joinPath(path, name)] as const,
      )
  for (const [name, text, at] of entries) {
    const expression = readExpression(text, at)
    if (expression === null) continue
    if (fields.has(name)) reading.report('RULE_SCHEMA', at, `the field \`${name}\` stands twice`)
    else fields.set(name, expression)
  }
  return fields
}
