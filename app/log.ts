import { pino } from 'pino'
import { printable } from '../src/index.ts'
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
export function talkLog(terminal: Terminal): Log {
  const { say: wanted } = terminal.colors
  const say = (label: string, text: string) => {
    const lines = text.trimEnd().split('\n')
    // A further line is seen to belong to the one before: it may come from outside.
    terminal.say(`${label}${lines.map((line) => printable(line, lineCharsMax)).join('\n  ')}\n`)
  }
  return {
    format: 'pretty',
    info: (text) => say('', text),
    warn: (text) => say(`${paint('warning:', 'yellow', wanted)} `, text),
    error: (text) => say(`${paint('error:', 'red', wanted)} `, text),
  }
}

/** What is longer is cut. */
const lineCharsMax = 10_000

/**
 * Lines for programs, on stderr: a JSON document each, with `level`, `time` (ISO 8601), `msg` and
 * fields.
 * @param conceal takes secrets out of a text
 */
export function jsonLog(terminal: Terminal, conceal: (text: string) => string): Log {
  // Such an escape is JSON too.
  const write = (line: string) =>
    terminal.say(`${printable(line.trimEnd(), Number.POSITIVE_INFINITY)}\n`)
  const logger = pino(
    {
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write },
  )
  const concealed = (fields: LogFields = {}) =>
    Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, concealedIn(value, conceal)]),
    )
  return {
    format: 'json',
    info: (text, fields) => logger.info(concealed(fields), conceal(text)),
    warn: (text, fields) => logger.warn(concealed(fields), conceal(text)),
    error: (text, fields) => logger.error(concealed(fields), conceal(text)),
  }
}

function concealedIn(value: unknown, conceal: (text: string) => string): unknown {
  if (typeof value === 'string') return conceal(value)
  if (Array.isArray(value)) return value.map((item) => concealedIn(item, conceal))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, concealedIn(item, conceal)]),
  )
}
