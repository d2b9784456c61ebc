import { invalid } from './connection-options.ts'

/** A topic with places for what an alert says. */
export interface TopicTemplate {
  topicOf(alert: unknown): string
}

/**
 * Reads a topic template: `alerts/{rule}/{by.device}`. In braces stands a field of the alert's
 * document; dots go down. A value fills its place and no more: what could mean another topic is written
 * as in URLs, `/` as `%2F`. A value that is missing or empty is `_`.
 * @throws {TocsinError} CONFIG_INVALID
 */
export function parseTopicTemplate(text: string): TopicTemplate {
  const parts = text.split(/\{([^{}]*)\}/).map((part, index) => {
    if (index % 2 === 0) return { kind: 'text', text: part } as const
    if (fieldPath.test(part)) return { kind: 'field', path: part.split('.') } as const
    const reason = `\`{${part}}\` names no field: expected one such as \`{rule}\` or \`{by.card}\``
    throw invalid(`topic \`${text}\`: ${reason}`)
  })
  const texts = parts.map((part) => (part.kind === 'text' ? part.text : '')).join('')
  if (/[+#]/.test(texts)) {
    throw invalid(`topic \`${text}\`: nothing can be published to the wildcards \`+\` and \`#\``)
  }
  if (/[{}]/.test(texts)) throw invalid(`topic \`${text}\`: a brace has no other one`)
  if (text.startsWith('$')) {
    throw invalid(`topic \`${text}\`: topics that begin with \`$\` are the broker's own`)
  }
  return {
    topicOf: (alert) =>
      parts
        .map((part) => (part.kind === 'text' ? part.text : levelOf(valueAt(alert, part.path))))
        .join(''),
  }
}

const fieldPath = /^[\w-]+(?:\.[\w-]+)*$/

/** Names may hold dots themselves: the whole rest is tried first. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  if (path.length === 0) return value
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  const whole = path.join('.')
  if (Object.hasOwn(fields, whole)) return fields[whole]
  const [name = '', ...rest] = path
  return Object.hasOwn(fields, name) ? valueAt(fields[name], rest) : undefined
}

function levelOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  if (text === '' || value === null) return '_'
  return text.replace(unsafe, encodeCharacter)
}

/**
 * What parts levels, what is a wildcard, `$` for the broker's own topics, `%` since it marks the others,
 * and the characters for which brokers end a connection.
 */
const unsafe = /[/+#$%\p{Control}\p{Noncharacter_Code_Point}\p{Surrogate}]/gu

function encodeCharacter(character: string): string {
  // Half of a pair is no character: as everywhere it becomes the one that stands for what is none.
  return encodeURIComponent(/\p{Surrogate}/u.test(character) ? '\ufffd' : character)
}
