import type {
  DeadLetterCause,
  RejectedEvent,
  SideOutputKind,
  SuppressedAlert,
  UndeliveredAlert,
} from '../src/index.ts'

/** What was left out, as it is kept: one JSON document a line. */
export type SideOutputRow = RejectedRow | SuppressedRow | ShadowRow | UndeliveredRow

export interface RejectedRow {
  readonly kind: Exclude<SideOutputKind, 'suppressed' | 'shadow' | 'undelivered'>
  /** Epoch ms; left out in the files of a replay. */
  readonly kept_at?: number
  readonly cause?: DeadLetterCause
  readonly stream: string
  readonly partition: number
  /** What the outside calls the partition. */
  readonly origin?: Readonly<Record<string, string | number>>
  readonly offset: number
  readonly reason: string
  readonly raw?: string
  readonly raw_base64?: string
}

export interface SuppressedRow {
  readonly kind: 'suppressed'
  readonly kept_at?: number
  readonly suppressed_by: unknown
  readonly alert: Readonly<Record<string, unknown>>
}

export interface ShadowRow {
  readonly kind: 'shadow'
  readonly kept_at: number
  readonly alert: Readonly<Record<string, unknown>>
}

export interface UndeliveredRow {
  readonly kind: 'undelivered'
  readonly kept_at: number
  readonly sink: string
  /** Of the notification. */
  readonly id: string
  readonly reason: string
  readonly attempts: number
  readonly alert: Readonly<Record<string, unknown>>
}

/**
 * The document of the alert in a row of text, as a sink would get it: parsed and written again, numbers
 * would lose digits. Within a text of the row quotes are escaped, so this is the place.
 */
export function documentIn(text: string): string {
  return text.slice(text.indexOf(alertMember) + alertMember.length, -1)
}

const alertMember = ',"alert":'

/** Bytes that are no UTF-8 would not come back from text. */
export function rejectedText(rejected: RejectedEvent, keptAt?: number): string {
  const { kind, raw, ...others } = rejected
  const bytes = Buffer.from(raw, 'latin1')
  const text = bytes.toString('utf8')
  const record = bytes.equals(Buffer.from(text))
    ? { raw: text }
    : { raw_base64: bytes.toString('base64') }
  const time = keptAt === undefined ? {} : { kept_at: keptAt }
  return JSON.stringify({ kind, ...time, ...others, ...record })
}

/** @param document the alert's, as a sink would get it */
export function suppressedText({ by }: SuppressedAlert, document: string, keptAt?: number): string {
  const time = keptAt === undefined ? '' : `"kept_at":${keptAt},`
  return `{"kind":"suppressed",${time}"suppressed_by":${JSON.stringify(by)},"alert":${document}}`
}

export function shadowText(document: string, keptAt: number): string {
  return `{"kind":"shadow","kept_at":${keptAt}${alertMember}${document}}`
}

export function undeliveredText(
  sink: string,
  { alert, failure, attempts }: UndeliveredAlert,
  keptAt: number,
): string {
  const head = { kind: 'undelivered', kept_at: keptAt, sink, id: alert.id }
  const text = JSON.stringify({ ...head, reason: failure.message, attempts })
  return `${text.slice(0, -1)}${alertMember}${alert.document}}`
}

/** The bytes of a record that was left out, as they came. */
export function recordBytes({ raw, raw_base64 }: RejectedRow): Buffer {
  return raw_base64 === undefined ? Buffer.from(raw ?? '') : Buffer.from(raw_base64, 'base64')
}
