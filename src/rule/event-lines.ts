import { isObject } from '../expression/value.ts'
import type { EventToExplain } from './explain-events.ts'
import type { Rule } from './rule.ts'

/** Events of a text with one a line, and what is wrong with the lines that hold none. */
export interface EventLines {
  readonly events: readonly EventToExplain[]
  /** `line` counts from 1. */
  readonly problems: readonly { readonly line: number; readonly message: string }[]
}

/**
 * Reads NDJSON: a line is an event of the rule's only stream, or `{"stream": ..., "event": ...}`
 * with nothing else in it. An event's position is its line, counted from 1.
 */
export function readEventLines(text: string, { from }: Rule): EventLines {
  const events: EventToExplain[] = []
  const problems: { line: number; message: string }[] = []
  for (const [index, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue
    const event = eventOf(content.trim(), from)
    if (typeof event === 'string') problems.push({ line: index + 1, message: event })
    else events.push({ ...event, position: index + 1 })
  }
  return { events, problems }
}

function eventOf(text: string, from: readonly string[]): EventToExplain | string {
  const value = parsed(text)
  if (!isObject(value)) return 'expected a JSON object'
  const { stream, event } = value
  if (Object.keys(value).length === 2 && typeof stream === 'string' && isObject(event)) {
    return { stream, text: JSON.stringify(event) }
  }
  // The text as it stands: its numbers keep all their digits.
  if (from.length === 1) return { stream: from[0] as string, text }
  return 'expected `{"stream": ..., "event": ...}`: the rule reads several streams'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is no JSON is no object: the caller says so with the line.
    return undefined
  }
}
