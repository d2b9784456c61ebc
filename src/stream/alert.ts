import { type Event, textOf } from './event.ts'

export type AlertState = 'firing' | 'resolved'

/** A value as JSON knows it. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue }

/** An alert before it is written; `alertDocument` gives the JSON that every sink sees. */
export interface Alert {
  /** Follows from rule, fingerprint, kind, key and events: the same in every run (D13). */
  readonly id: string
  readonly rule: string
  readonly version: number
  readonly mode: string
  readonly severity: string
  readonly title: string
  readonly state: AlertState
  /** Counts the notifications of one alert, from 1. */
  readonly sequence: number
  /** Canonical key (`src/stream/key.ts`), which is not shown. */
  readonly key: string
  /** The key as it is shown: what its stream redacts is replaced. */
  readonly by: ReadonlyMap<string, JsonValue>
  /** Of the last event, or of the deadline that ran out, epoch ms. */
  readonly eventTime: number
  /** Processing time, epoch ms. */
  readonly detectedAt: number
  readonly tags: readonly string[]
  readonly fields: ReadonlyMap<string, JsonValue>
  /** Step → the events that it took, in order of time. */
  readonly steps: ReadonlyMap<string, readonly Event[]>
  /** Names of the sinks; `null`: those marked default. */
  readonly to: readonly string[] | null
}

/** Says how an event is shown: what its stream redacts is replaced. Gives JSON text. */
export type EventText = (event: Event) => string

/** The alert as one line of JSON. Events are put in as the text that they came as. */
export function alertDocument(alert: Alert, eventText: EventText): string {
  const { id, state, tags } = alert
  return (
    `{"id":"${id}","notification":"${id}:${state}:${alert.sequence}",` +
    `"rule":${quotedName(alert.rule)},"version":${alert.version},"mode":"${alert.mode}",` +
    `"severity":"${alert.severity}","title":${JSON.stringify(alert.title)},"state":"${state}",` +
    `"by":${objectText(alert.by)},"event_time":${alert.eventTime},` +
    `"detected_at":${alert.detectedAt},"tags":${tags.length === 0 ? '[]' : JSON.stringify(tags)},` +
    `"fields":${objectText(alert.fields)},"steps":${stepsText(alert.steps, eventText)}}`
  )
}

/** Names of rules, steps and streams as JSON: they are few, and come again with each alert. */
const quotedNames = new Map<string, string>()
const quotedNamesMax = 10_000

function quotedName(name: string): string {
  const known = quotedNames.get(name)
  if (known !== undefined) return known
  if (quotedNames.size === quotedNamesMax) quotedNames.clear()
  const quoted = JSON.stringify(name)
  quotedNames.set(name, quoted)
  return quoted
}

function objectText(values: ReadonlyMap<string, JsonValue>): string {
  let text = ''
  for (const [name, value] of values) {
    if (text !== '') text += ','
    text += `${quotedName(name)}:${JSON.stringify(value)}`
  }
  return `{${text}}`
}

function stepsText(steps: Alert['steps'], eventText: EventText): string {
  let text = ''
  for (const [name, events] of steps) {
    if (text !== '') text += ','
    text += `${quotedName(name)}:[`
    for (let index = 0; index < events.length; index++) {
      if (index > 0) text += ','
      text += takenEventText(events[index] as Event, eventText)
    }
    text += ']'
  }
  return `{${text}}`
}

function takenEventText(event: Event, eventText: EventText): string {
  const { stream, partition } = event.split
  const position = `"stream":${quotedName(stream)},"partition":${partition}`
  const time = `"offset":${event.offset},"event_time":${event.timestamp}`
  return `{${position},${time},"event":${eventText(event)}}`
}

/** The event's own JSON text, without line breaks. */
export function plainEventText(event: Event): string {
  const { raw } = event
  // Most texts are ASCII in one line: one look says so.
  if (!/[\r\n\u0080-\u00ff]/.test(raw)) return raw
  const text = textOf(raw)
  return /[\r\n]/.test(text) ? JSON.stringify(JSON.parse(text)) : text
}
