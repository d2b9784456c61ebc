import { formatDuration } from '../expression/time-value.ts'
import type { ExplainedKey, ExplainedRun } from './explain-events.ts'
import type { ExplainedPath, NearMiss } from './explain-path.ts'
import type { FailedConjunct } from './near-miss.ts'

/** Writes an event time, epoch ms. */
export type TimeText = (timestamp: number) => string

/** What a rule made of events, for a terminal; events are named by position. */
export function explainedRunText(run: ExplainedRun, timeText: TimeText): string {
  const lines = [
    ...run.keys.flatMap((key) => [keyLine(key), ...keyLines(key, timeText)]),
    ...run.leftOut.map(
      ({ position, kind, reason }) => `event ${position} is left out (${kind}): ${reason}`,
    ),
    ...run.suppressed.map(
      ({ by, title, eventTime }) => `held back by ${by} at ${timeText(eventTime)}: ${title}`,
    ),
    ...run.alerts.map(({ title, eventTime }) => `alert at ${timeText(eventTime)}: ${title}`),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** One partial match in a sentence, then its near misses, a line each. */
export function pathLines(path: ExplainedPath, timeText: TimeText): string[] {
  const took = Object.entries(path.steps).map(([step, events]) => `${step} ${events.join(', ')}`)
  const head = took.length === 0 ? '' : `took ${took.join('; ')}: `
  return [
    `${head}${outcomeText(path, timeText)}`,
    ...path.nearMisses.map((miss) => `  ${missText(miss)}`),
  ]
}

/** A key as `card "c1", merchant 7`. */
export function keyText(by: ExplainedKey['by']): string {
  return Object.entries(by)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(', ')
}

function keyLine({ by, events }: ExplainedKey): string {
  return `${keyText(by)}: ${events} ${events === 1 ? 'event' : 'events'}`
}

function keyLines({ filteredOut, refused, paths }: ExplainedKey, timeText: TimeText): string[] {
  const lines = paths.flatMap((path) => pathLines(path, timeText))
  if (filteredOut.length > 0)
    lines.push(`not there for the rule (filter): ${filteredOut.join(', ')}`)
  if (refused.length > 0) lines.push(`refused by limit: ${refused.join(', ')}`)
  return lines.map((line) => `  ${line}`)
}

function outcomeText({ outcome, waitedFor, states }: ExplainedPath, timeText: TimeText): string {
  const waited = waitedFor.length === 0 ? states.join(' or ') : waitedFor.join(' or ')
  switch (outcome.kind) {
    case 'matched':
      return `matched at ${timeText(outcome.at)}`
    case 'open': {
      const until = outcome.until === null ? '' : ` until ${timeText(outcome.until)}`
      return `open, waits for ${waited}${until}`
    }
    case 'held':
      return 'complete, waits for one that began earlier (emit_order: start)'
    case 'not_begun':
      return `no event began a match with ${waited}`
    case 'expired':
      return `expired at ${timeText(outcome.at)}, waited for ${waited}`
    case 'stopped':
      return `ended by event ${outcome.by}, which is absent step ${outcome.step}'s; waited for ${waited}`
    case 'broken':
      return `ended by event ${outcome.by}: contiguity is strict, and it is not ${waited}`
    case 'cancelled':
      return `cancelled by event ${outcome.by}, waited for ${waited}`
    case 'skipped':
      return `dropped by after_match at ${timeText(outcome.at)}`
  }
}

function missText({ position, step, failed, tooLateMs }: NearMiss): string {
  const reasons = failed.map(failedText)
  if (tooLateMs !== null) {
    const late =
      tooLateMs === 0
        ? 'at the very end of the time limit'
        : `${formatDuration(tooLateMs)} too late`
    reasons.unshift(`it came ${late}`)
  }
  const reason = reasons.length === 0 ? 'it fits, but was not taken here' : reasons.join('; ')
  return `event ${position} is not ${step}: ${reason}`
}

function failedText({ text, value, reads, missing }: FailedConjunct): string {
  const values = [
    ...Object.entries(reads).map(([name, read]) => `${name} is ${JSON.stringify(read)}`),
    ...missing.map((name) => `${name} is missing`),
  ]
  const why = values.length === 0 ? '' : ` (${values.join(', ')})`
  return `${text} is ${value === 'error' ? 'an error' : 'false'}${why}`
}
