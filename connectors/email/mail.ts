import { createHash } from 'node:crypto'
import { withoutControls } from '../../src/stream/printable-text.ts'
import { type AlertDocument, isoTime, shownValue } from '../alert-document.ts'
import type { MailTemplates } from './mail-templates.ts'
import type { TemplateValues } from './template.ts'

/** A mail without its addresses. */
export interface Mail {
  /** The same for the same alerts, in any run. */
  readonly messageId: string
  readonly date: Date
  readonly subject: string
  readonly text: string
  readonly html: string
}

const subjectLengthMax = 200
const bodyLengthMax = 512 * 1024

/**
 * Writes the mail of an alert, or of a digest.
 * @param domain what follows the `@` of its Message-ID
 */
export function writeMail(
  alerts: readonly AlertDocument[],
  ids: readonly string[],
  { subject, text, html }: MailTemplates,
  { isDigest, domain }: { readonly isDigest: boolean; readonly domain: string },
): Mail {
  const values = mailValues(alerts, isDigest)
  const digest = createHash('sha256').update(ids.join('\n')).digest('hex').slice(0, 40)
  return {
    messageId: `<${digest}@${domain}>`,
    // Not the time of the attempt: each gives the same mail.
    date: new Date(Math.max(...alerts.map(({ detected_at }) => detected_at))),
    subject: subjectOf(subject.render(values, withoutControls, subjectLengthMax)),
    text: text.render(values, withoutControls, bodyLengthMax),
    html: html.render(values, escapeHTML, bodyLengthMax),
  }
}

/** Without line ends, also those that a mail program would find in what looks like an encoded word. */
function subjectOf(text: string): string {
  return withoutControls(text).replaceAll('=?', '= ?')
}

function mailValues(alerts: readonly AlertDocument[], isDigest: boolean): TemplateValues {
  const all = alerts.map(alertValues)
  const severities = alerts.map(({ severity }) => severity)
  return {
    ...(isDigest ? {} : all[0]),
    alerts: all,
    count: all.length,
    first: all[0],
    highest_severity: severityOrder.find((severity) => severities.includes(severity)),
  }
}

const severityOrder = ['critical', 'high', 'medium', 'low', 'info']

function alertValues(alert: AlertDocument): TemplateValues {
  return {
    ...alert,
    event_time_iso: isoTime(alert.event_time),
    detected_at_iso: isoTime(alert.detected_at),
    by_list: listOf(alert.by),
    fields_list: listOf(alert.fields),
    steps_list: Object.entries(alert.steps).map(([name, events]) => ({
      name,
      events: events.map((event) => ({
        ...(event as object),
        event_time_iso: isoTime((event as { event_time: number }).event_time),
      })),
    })),
  }
}

function listOf(values: Readonly<Record<string, unknown>>): TemplateValues[] {
  return Object.entries(values).map(([name, value]) => ({ name, value: shownValue(value) }))
}

function escapeHTML(text: string): string {
  return withoutControls(text).replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
}
