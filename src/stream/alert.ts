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

/**
 * The alert as one line of JSON. Events are put in as the text that they came as. Of what comes again
 * with each alert the text is kept in long pieces: each piece costs, and again when it is encoded.
 */
export function alertDocument(alert: Alert, eventText: EventText): string {
  const { id } = alert
  const { beforeTitle, beforeKey, beforeFields } = frameOf(alert)
  return (
    `{"id":"${id}","notification":"${id}${beforeTitle}${quoted(alert.title)}` +
    `${beforeKey}${objectText(alert.by)},"event_time":${alert.eventTime}` +
    `,"detected_at":${alert.detectedAt}${beforeFields}${objectText(alert.fields)}` +
    `,"steps":${stepsText(alert.steps, eventText)}}`
  )
}

/** What stands between the parts in which an alert differs from the one before of its rule. */
interface AlertFrame {
  readonly beforeTitle: string
  readonly beforeKey: string
  readonly beforeFields: string
}

/** The frame of the alert that was written last, and what it follows from. */
let lastFrame: { readonly alert: Alert | null; readonly frame: AlertFrame } = {
  alert: null,
  frame: { beforeTitle: '', beforeKey: '', beforeFields: '' },
}

/** The next alert is most often of the same rule. */
function frameOf(alert: Alert): AlertFrame {
  const { alert: last, frame } = lastFrame
  if (last !== null && isFramedAlike(last, alert)) return frame
  const { rule, version, mode, severity, state, sequence, tags } = alert
  const of = `"rule":${quotedName(rule)},"version":${version},"mode":"${mode}"`
  lastFrame = {
    alert,
    frame: {
      beforeTitle: `:${state}:${sequence}",${of},"severity":"${severity}","title":`,
      beforeKey: `,"state":"${state}","by":`,
      beforeFields: `,"tags":${JSON.stringify(tags)},"fields":`,
    },
  }
  return lastFrame.frame
}

function isFramedAlike(a: Alert, b: Alert): boolean {
  return (
    a.rule === b.rule &&
    a.version === b.version &&
    a.mode === b.mode &&
    a.severity === b.severity &&
    a.state === b.state &&
    a.sequence === b.sequence &&
    a.tags === b.tags
  )
}

/** A name as JSON. */
const quotedName = keptByName((name) => JSON.stringify(name))

/** What begins a step's events: its name, and the array. */
const stepBeginning = keptByName((name) => `${JSON.stringify(name)}:[`)

/** A text as JSON: most are short and plain, and to call `JSON.stringify` costs more than to look. */
function quoted(text: string): string {
  return isPlain(text) ? `"${text}"` : JSON.stringify(text)
}

function isPlain(text: string): boolean {
  if (text.length > plainCharsMax) return false
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char < 0x20 || char > 0x7e || char === 0x22 || char === 0x5c) return false
  }
  return true
}

const plainCharsMax = 64

function objectText(values: ReadonlyMap<string, JsonValue>): string {
  if (values.size === 0) return '{}'
  let text = '{'
  for (const [name, value] of values) {
    if (text !== '{') text += ','
    text += `${quotedName(name)}:${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`
  }
  return `${text}}`
}

function stepsText(steps: Alert['steps'], eventText: EventText): string {
  let text = '{'
  for (const [name, events] of steps) {
    if (text !== '{') text += ','
    text += stepBeginning(name)
    for (let index = 0; index < events.length; index++) {
      if (index > 0) text += ','
      const event = events[index] as Event
      text +=
        `${splitText(event.split)}${event.offset},"event_time":${event.timestamp}` +
        `,"event":${eventText(event)}}`
    }
    text += ']'
  }
  return `${text}}`
}

/** The split of the event that was written last. */
let lastSplit: { readonly split: Split | null; readonly text: string } = { split: null, text: '' }

/** What begins a taken event, up to its offset. */
function splitText(split: Split): string {
  if (lastSplit.split === split) return lastSplit.text
  const text = `{"stream":${quotedName(split.stream)},"partition":${split.partition},"offset":`
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
