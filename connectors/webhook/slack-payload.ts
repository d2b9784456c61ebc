import { withoutControls } from '../../src/stream/printable-text.ts'
import { type AlertDocument, isoTime, shownValue } from '../alert-document.ts'

/** Slack takes 3,000 characters in a section, 10 fields of 2,000, and 150 in a header. */
const titleLengthMax = 250
const valueLengthMax = 500
const fieldsMax = 10

/**
 * An alert as a message for Slack's incoming webhooks, and for what understands them (Mattermost,
 * Discord's `/slack`). Nothing of an alert can mention a person or a channel, or be a link.
 */
export function slackPayload(alert: AlertDocument): string {
  const title = escaped(alert.title, titleLengthMax)
  const summary = `[${escaped(alert.severity, 20)}] ${title}`
  const values = [...Object.entries(alert.by), ...Object.entries(alert.fields)]
  const fields = values.slice(0, fieldsMax).map(([name, value]) => ({
    type: 'mrkdwn',
    text: `*${escaped(name, 100)}*\n${escaped(shownValue(value), valueLengthMax)}`,
  }))
  const left = values.length - fields.length
  const context = [
    `rule ${escaped(alert.rule, 100)}`,
    isoTime(alert.event_time),
    escaped(alert.id, 100),
    ...(left > 0 ? [`${left} more fields`] : []),
  ]
  return JSON.stringify({
    text: summary,
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `*${summary}*` } },
      ...(fields.length === 0 ? [] : [{ type: 'section', fields }]),
      { type: 'context', elements: [{ type: 'mrkdwn', text: context.join(' · ') }] },
    ],
  })
}

/** Slack's control characters are `&`, `<` and `>`; the others only format. */
function escaped(text: string, lengthMax: number): string {
  const plain = withoutControls(text)
  const cut = plain.length > lengthMax ? `${plain.slice(0, lengthMax)}…` : plain
  return cut
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[*_~`]/g, '\u200b$&')
}
