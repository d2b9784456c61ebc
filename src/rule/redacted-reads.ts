import type { Expression } from '../expression/expression.ts'
import { readsOf } from '../expression/expression-analysis.ts'
import type { EventText } from '../stream/alert.ts'
import { type Redaction, redactingEventText } from '../stream/redaction.ts'
import type { CheckedRule } from './expression-check.ts'
import { type Rule, stepItemsOf } from './rule.ts'

/** Something that an expression reads and no alert may show. */
export interface HiddenRead {
  /** As the expression calls it: `pan`, `probe.pan`. */
  readonly name: string
  /** The stream that redacts it. */
  readonly stream: string
}

/**
 * What of the reads of an alert's expression a stream of the rule redacts. Whole objects are none:
 * what is redacted in them is replaced.
 */
export function hiddenReadsOf(
  expression: Expression,
  rule: Rule,
  redact: ReadonlyMap<string, Redaction>,
): HiddenRead[] {
  if (redact.size === 0) return []
  const { fields, taken, properties, names } = readsOf(expression)
  const steps = rule.detect.kind === 'sequence' ? stepItemsOf(rule.detect.items) : []
  const hiding = (name: string, isHidden: (redaction: Redaction, stream: string) => boolean) => {
    const stream = rule.from.find((each) => {
      const redaction = redact.get(each)
      return redaction !== undefined && isHidden(redaction, each)
    })
    return stream === undefined ? [] : [{ name, stream }]
  }
  const hiddenKeys = redactedKeysOf(rule, redact)
  return [
    ...fields.flatMap((path) => hiding(path.join('.'), (redaction) => redaction.hides(path))),
    ...taken.flatMap(({ step, path }) => {
      const item = steps[step]
      const from = item?.test.from ?? null
      return hiding(
        [item?.name ?? '', ...path].join('.'),
        (redaction, stream) => (from === null || from === stream) && redaction.hides(path),
      )
    }),
    ...properties.flatMap((name) => hiding(name, (redaction) => redaction.hidesName(name))),
    ...names.flatMap((name) => {
      const stream = hiddenKeys.get(name)
      return stream === undefined ? [] : [{ name, stream }]
    }),
  ]
}

/** Names of the parts of the key that no alert may show, each with a stream that redacts it. */
export function redactedKeysOf(
  { by }: Rule,
  redact: ReadonlyMap<string, Redaction>,
): ReadonlyMap<string, string> {
  const keys = new Map<string, string>()
  for (const { name, paths } of by) {
    for (const [stream, path] of paths) {
      if (redact.get(stream)?.hides(path) === true && !keys.has(name)) keys.set(name, stream)
    }
  }
  return keys
}

/** Shows events as alerts of these rules may: without what their streams redact. */
export function eventTextOf(rules: readonly CheckedRule[]): EventText {
  return redactingEventText(new Map(rules.flatMap(({ redact }) => [...redact])))
}
