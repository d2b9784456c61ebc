import { pino } from 'pino'
import { paint, type Terminal } from './terminal.ts'

/** What a log line holds beside its text: names are stable. */
export type LogFields = Readonly<Record<string, unknown>>

/** Where a run tells of itself. */
export interface Log {
  readonly format: LogFormat
  info(text: string, fields?: LogFields): void
  warn(text: string, fields?: LogFields): void
  error(text: string, fields?: LogFields): void
}

export type LogFormat = 'pretty' | 'json'

/** Lines for people, on stderr. */
export function talkLog(terminal: Terminal, hide: (text: string) => string = unchanged): Log {
  const { say: wanted } = terminal.colors
  // A further line is seen to belong to the one before: it may come from outside.
  const say = (label: string, text: string) =>
    terminal.say(`${label}${plain(hide(text.trimEnd())).replaceAll('\n', '\n  ')}\n`)
  return {
    format: 'pretty',
    info: (text) => say('', text),
    warn: (text) => say(`${paint('warning:', 'yellow', wanted)} `, text),
    error: (text) => say(`${paint('error:', 'red', wanted)} `, text),
  }
}

/**
 * Lines for programs, on stderr: a JSON document each, with `level`, `time` (ISO 8601), `msg` and
 * fields.
 * @param hide takes out of each text what is secret
 */
export function jsonLog(terminal: Terminal, hide: (text: string) => string = unchanged): Log {
  const write = (line: string) => terminal.say(`${plain(line.trimEnd())}\n`)
  const logger = pino(
    {
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write },
  )
  const hidden = (fields: LogFields = {}) =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, hiddenIn(value, hide)]))
  return {
    format: 'json',
    info: (text, fields) => logger.info(hidden(fields), hide(text)),
    warn: (text, fields) => logger.warn(hidden(fields), hide(text)),
    error: (text, fields) => logger.error(hidden(fields), hide(text)),
  }
}

function unchanged(text: string): string {
  return text
}

function hiddenIn(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === 'string') return hide(value)
  if (Array.isArray(value)) return value.map((item) => hiddenIn(item, hide))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, hiddenIn(item, hide)]),
  )
}

/** Without what moves a terminal's cursor or turns a line around: it may come from outside. */
function plain(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
