import { type Event, type Split, textOf } from './event.ts'
import { keptByName } from './name-texts.ts'

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
    `{"id":"${id}","notification":"${id}:${state}:${alert.sequence}",${ruleText(alert)},` +
    `"title":${JSON.stringify(alert.title)},"state":"${state}",` +
    `"by":${objectText(alert.by)},"event_time":${alert.eventTime},` +
    `"detected_at":${alert.detectedAt},"tags":${tags.length === 0 ? '[]' : JSON.stringify(tags)},` +
    `"fields":${objectText(alert.fields)},"steps":${stepsText(alert.steps, eventText)}}`
  )
}

/** What the last alert said of its rule: the next one is most often of the same. */
let lastRule = { rule: '', version: 0, mode: '', severity: '', text: '' }

function ruleText({ rule, version, mode, severity }: Alert): string {
  const last = lastRule
  const isSame = last.rule === rule && last.version === version && last.mode === mode
  if (isSame && last.severity === severity) return last.text
  const of = `"rule":${quotedName(rule)},"version":${version},"mode":"${mode}"`
  lastRule = { rule, version, mode, severity, text: `${of},"severity":"${severity}"` }
  return lastRule.text
}

/** A name as JSON. */
const quotedName = keptByName((name) => JSON.stringify(name))

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
  const position = `${splitText(event.split)},"offset":${event.offset}`
  return `{${position},"event_time":${event.timestamp},"event":${eventText(event)}}`
}

/** The split of the event that was written last. */
let lastSplit: { readonly split: Split | null; readonly text: string } = { split: null, text: '' }

function splitText(split: Split): string {
  if (lastSplit.split === split) return lastSplit.text
  const text = `"stream":${quotedName(split.stream)},"partition":${split.partition}`
  lastSplit = { split, text }
  return text
}

/** The event's own JSON text, without line breaks. */
export function plainEventText(event: Event): string {
  const { raw } = event
  // Most texts are ASCII in one line; a regular expression would say so in three times the time.
  const isASCII = Buffer.byteLength(raw) === raw.length
  if (isASCII && !raw.includes('\n') && !raw.includes('\r')) return raw
  const text = textOf(raw)
  return /[\r\n]/.test(text) ? JSON.stringify(JSON.parse(text)) : text
}
