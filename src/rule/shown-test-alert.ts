import { redacted } from '../stream/redaction.ts'
import type { CheckedRule } from './expression-check.ts'
import { redactedKeysOf } from './redacted-reads.ts'
import type { ExpectationDifference, TestAlert } from './test-expectation.ts'

/** What a test tells of an alert; it compares keys as they are. */
export type ShowTestAlert = (alert: TestAlert) => TestAlert

/** Shows alerts of a rule's tests without the keys that its streams redact. */
export function showingTestAlerts({ rule, redact }: CheckedRule): ShowTestAlert {
  const hidden = redactedKeysOf(rule, redact)
  if (hidden.size === 0) return (alert) => alert
  return (alert) => ({
    ...alert,
    by: Object.fromEntries(
      Object.entries(alert.by).map(([name, value]) => [name, hidden.has(name) ? redacted : value]),
    ),
  })
}

/** A difference from an alert, as the alert is shown. */
export function shownDifference(
  difference: ExpectationDifference,
  { by }: TestAlert,
): ExpectationDifference {
  const name = /^by\.(.*)$/s.exec(difference.what)?.[1]
  if (name === undefined || !Object.hasOwn(by, name)) return difference
  return { ...difference, actual: by[name] }
}
