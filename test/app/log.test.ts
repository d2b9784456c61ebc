import { describe, expect, it } from 'vitest'
import { jsonLog, type Log, talkLog } from '../../app/log.ts'
import type { Terminal } from '../../app/terminal.ts'

function said(tell: (terminal: Terminal) => void): string {
  let text = ''
  tell({
    print: () => undefined,
    say: (line) => {
      text += line
    },
    colors: { print: false, say: false },
    progressColumns: null,
    onInterrupt: () => () => undefined,
  })
  return text
}

const hide = (text: string) => text.replaceAll('hunter2', () => '$PASSWORD')
const tell = (log: Log) => {
  log.info('connected with hunter2', { broker: 'b', nested: { tries: 2, key: ['hunter2'] } })
  log.warn('x\r\n{"level":"error"}\u001b[2J\u202egpj')
  log.error('gone', { code: 'STATE_IO' })
}

describe('the log for programs', () => {
  it('is one document a line, without secrets and without what moves a terminal', () => {
    const text = said((terminal) => tell(jsonLog(terminal, hide)))
    const lines = text.trimEnd().split('\n')
    const documents = lines.map((line) => ({ ...JSON.parse(line) }))
    expect(documents.map(({ time }) => Number.isNaN(Date.parse(time)))).toEqual(
      Array(3).fill(false),
    )
    expect(documents.map(({ time: _, ...rest }) => rest)).toEqual([
      {
        level: 'info',
        broker: 'b',
        nested: { tries: 2, key: ['$PASSWORD'] },
        msg: 'connected with $PASSWORD',
      },
      { level: 'warn', msg: 'x\r\n{"level":"error"}\u001b[2J\u202egpj' },
      { level: 'error', code: 'STATE_IO', msg: 'gone' },
    ])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(/[\u0000-\u0009\u000b-\u001f\u202e]/.test(text)).toBe(false)
  })
})

describe('the log for people', () => {
  it('shows a text from outside as one, and without what moves a terminal', () => {
    expect(said((terminal) => tell(talkLog(terminal)))).toBe(
      'connected with hunter2\n' +
        'warning: x\\u000d\n  {"level":"error"}\\u001b[2J\\u202egpj\n' +
        'error: gone\n',
    )
  })
})
