import { TocsinError } from '../../src/errors.ts'
import { parseTemplate, type Template } from './template.ts'

/** How a mail is written. */
export interface MailTemplates {
  readonly subject: Template
  readonly text: Template
  readonly html: Template
}

const defaultSubject = '[{{severity}}] {{title}}'
const defaultDigestSubject = '[{{highest_severity}}] {{count}} alerts, the first: {{first.title}}'

const defaultText = `{{#alerts}}
[{{severity}}] {{title}}
rule: {{rule}}
time: {{event_time_iso}}
{{#by_list}}
{{name}}: {{value}}
{{/by_list}}
{{#fields_list}}
{{name}}: {{value}}
{{/fields_list}}
{{#steps_list}}

{{name}}:
{{#events}}
  {{event_time_iso}} {{stream}}/{{partition}}/{{offset}} {{event}}
{{/events}}
{{/steps_list}}

id: {{id}}

{{/alerts}}
`

const defaultHTML = `<!doctype html>
<html><body style="font-family: sans-serif">
{{#alerts}}
<h2>{{title}}</h2>
<table cellpadding="4">
<tr><th align="left">severity</th><td>{{severity}}</td></tr>
<tr><th align="left">rule</th><td>{{rule}}</td></tr>
<tr><th align="left">time</th><td>{{event_time_iso}}</td></tr>
{{#by_list}}
<tr><th align="left">{{name}}</th><td>{{value}}</td></tr>
{{/by_list}}
{{#fields_list}}
<tr><th align="left">{{name}}</th><td>{{value}}</td></tr>
{{/fields_list}}
</table>
{{#steps_list}}
<h3>{{name}}</h3>
<ul>
{{#events}}
<li>{{event_time_iso}} {{stream}}/{{partition}}/{{offset}} <code>{{event}}</code></li>
{{/events}}
</ul>
{{/steps_list}}
<p><small>{{id}}</small></p>
{{/alerts}}
</body></html>
`

/** Names of an alert that a template may use, beside those of `mailValues` for the whole mail. */
export const alertNames = [
  ...['id', 'notification', 'rule', 'version', 'mode', 'severity', 'title', 'state', 'by'],
  ...['event_time', 'detected_at', 'tags', 'fields', 'steps'],
  ...['event_time_iso', 'detected_at_iso', 'by_list', 'fields_list', 'steps_list'],
]
export const mailNames = ['alerts', 'count', 'first', 'highest_severity']

export interface TemplateTexts {
  readonly subject?: string
  readonly text?: string
  readonly html?: string
}

/**
 * The templates of a sink. Who writes only a text gets no HTML of ours beside it, nor the other way
 * round, but a plain part that says the same as ours would.
 * @throws {TocsinError} CONFIG_INVALID, with the line
 */
export function mailTemplatesOf(
  { subject, text, html }: TemplateTexts,
  isDigest: boolean,
): MailTemplates {
  const known = isDigest ? mailNames : [...alertNames, ...mailNames]
  const parse = (name: string, template: string) => {
    try {
      const parsed = parseTemplate(template)
      const unknown = parsed.names.find((each) => !known.includes(each))
      if (unknown === undefined) return parsed
      const hint =
        isDigest && alertNames.includes(unknown)
          ? 'in a digest it is known within {{#alerts}}…{{/alerts}}'
          : `known here are ${known.join(', ')}`
      throw new Error(`{{${unknown}}} is not known: ${hint}`)
    } catch (error) {
      throw new TocsinError('CONFIG_INVALID', `email: ${name}: ${(error as Error).message}`)
    }
  }
  return {
    subject: parse('subject', subject ?? (isDigest ? defaultDigestSubject : defaultSubject)),
    text: parse('text', text ?? defaultText),
    html: parse('html', html ?? defaultHTML),
  }
}
