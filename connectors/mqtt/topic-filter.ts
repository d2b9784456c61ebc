import { TocsinError } from '../../src/errors.ts'

/** A topic filter in which levels have names: `plant/+line/device/+device/#rest`. */
export interface TopicFilter {
  /** As brokers know it: without names. */
  readonly subscription: string
  /** The levels that have names, of a topic that the filter takes; undefined: it does not take it. */
  levelsOf(topic: string): Readonly<Record<string, string>> | undefined
}

/** What stands for a level: its text, or a wildcard with the name that it is given. */
type Level =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'one' | 'rest'; readonly name: string | undefined }

/**
 * Reads a topic filter. `+` takes one level and `#` the rest, as in MQTT; a name behind them makes a
 * field of what they take. `$share/GROUP/` in front shares the topic among subscribers.
 * @throws {TocsinError} CONFIG_INVALID
 */
export function parseTopicFilter(text: string): TopicFilter {
  const shared = /^\$share\/([^/+#]+)\/(.+)$/s.exec(text)
  if (shared === null && /^\$share(\/|$)/.test(text)) {
    throw invalid(text, 'a shared subscription is written `$share/GROUP/FILTER`')
  }
  const filter = shared?.[2] ?? text
  const levels = filter.split('/').map((level) => parseLevel(text, level))
  const names = levels.flatMap((level) => (level.kind === 'text' ? [] : (level.name ?? [])))
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) throw invalid(text, `the name ${twice} is given twice`)
  if (levels.slice(0, -1).some(({ kind }) => kind === 'rest')) {
    throw invalid(text, '`#` takes the rest, so it is the last level')
  }
  if (text.includes('\0') || Buffer.byteLength(text) > topicBytesMax) {
    throw invalid(text.slice(0, 40), 'a topic has at most 65,535 bytes and no NUL')
  }
  const plain = levels.map(subscriptionOf).join('/')
  return {
    subscription: shared === null ? plain : `$share/${shared[1]}/${plain}`,
    levelsOf: (topic) => match(levels, topic),
  }
}

const topicBytesMax = 65_535

function parseLevel(filter: string, level: string): Level {
  const wildcard = /^([+#])([A-Za-z_][A-Za-z0-9_]*)?$/.exec(level)
  if (wildcard !== null) {
    return { kind: wildcard[1] === '+' ? 'one' : 'rest', name: wildcard[2] }
  }
  if (/[+#]/.test(level)) {
    throw invalid(filter, `\`${level}\` is no level: expected text, \`+\`, \`+name\` or \`#name\``)
  }
  return { kind: 'text', text: level }
}

function subscriptionOf(level: Level): string {
  switch (level.kind) {
    case 'text':
      return level.text
    case 'one':
      return '+'
    case 'rest':
      return '#'
  }
}

function match(
  levels: readonly Level[],
  topic: string,
): Readonly<Record<string, string>> | undefined {
  const parts = topic.split('/')
  // Topics of the broker's own, such as $SYS, are no topics of a wildcard.
  if (topic.startsWith('$') && levels[0]?.kind !== 'text') return undefined
  const found: Record<string, string> = {}
  for (const [index, level] of levels.entries()) {
    if (level.kind === 'rest') {
      if (level.name !== undefined) found[level.name] = parts.slice(index).join('/')
      return found
    }
    const part = parts[index]
    if (part === undefined || (level.kind === 'text' && level.text !== part)) return undefined
    if (level.kind === 'one' && level.name !== undefined) found[level.name] = part
  }
  return parts.length === levels.length ? found : undefined
}

function invalid(filter: string, reason: string): TocsinError {
  return new TocsinError('CONFIG_INVALID', `mqtt: topic \`${filter}\`: ${reason}`)
}
