import { paint, type Terminal } from './terminal.ts'

/** What a log line holds beside its text: names are stable, values no secrets. */
export type LogFields = Readonly<Record<string, unknown>>

/** Where a run tells of itself. */
export interface Log {
  info(text: string, fields?: LogFields): void
  warn(text: string, fields?: LogFields): void
}

/** Lines for people, on stderr. */
export function talkLog(terminal: Terminal): Log {
  return {
    info: (text) => terminal.say(`${text}\n`),
    warn: (text) => terminal.say(`${paint('warning:', 'yellow', terminal.colors.say)} ${text}\n`),
  }
}
