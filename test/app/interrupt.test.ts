import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith, ndjson, type Ran, tocsinOn } from './command-line.ts'

const rule = 'id: big\nfrom: payments\nby: card\ndetect: { event: { where: n > 1 } }\n'
const config = `
streams: { payments: { source: { file: { path: p.ndjson } }, time: { field: ts } } }
sinks: { all: { file: { path: alerts.ndjson }, default: true } }
`

function folder(): string {
  return folderWith({
    'tocsin.yaml': config,
    'rules/big.yaml': rule,
    'p.ndjson': ndjson({ ts: 1, card: 'c1', n: 2 }),
    'alerts.ndjson': 'old\n',
  })
}

function argumentsOf(command: string, at: string): string[] {
  const shared = [command, '--config', join(at, 'tocsin.yaml')]
  return command === 'run' ? shared : [...shared, '--output', join(at, 'alerts.ndjson')]
}

describe.each(['replay', 'run'])('Ctrl-C and tocsin %s', (command) => {
  it('is watched before an output is opened', async () => {
    const at = folder()
    const partialThere: boolean[] = []
    const onInterrupt = () => {
      partialThere.push(existsSync(join(at, 'alerts.ndjson.partial')))
      return () => undefined
    }
    const { code } = await tocsinOn({ onInterrupt }, ...argumentsOf(command, at))
    expect({ code, partialThere }).toEqual({ code: 0, partialThere: [false] })
  })

  it('ends with 130 and leaves the old output alone, however early it comes', async () => {
    const at = folder()
    const onInterrupt = (listener: () => void) => {
      listener()
      return () => undefined
    }
    const ran: Ran = await tocsinOn({ onInterrupt }, ...argumentsOf(command, at))
    expect([ran.code, ran.out, ran.err.startsWith('interrupted; ')]).toEqual([130, '', true])
    expect(readFileSync(join(at, 'alerts.ndjson'), 'utf8')).toBe('old\n')
    expect(readdirSync(at).filter((name) => name.endsWith('.partial'))).toEqual([])
  })
})
