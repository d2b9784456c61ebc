import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith, ndjson, tocsin } from './command-line.ts'

const config = `
streams: { payments: { source: { file: { path: p.ndjson } }, time: { field: ts } } }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
`
const rule = (id: string, mode: string) =>
  `id: ${id}\nmode: ${mode}\nfrom: payments\nby: card\ndetect: { event: { where: amount > 1 } }\n`

describe.each(['memory', 'rocksdb'])('a rule in shadow, with state in %s', (backend) => {
  it('has its alerts counted and kept, and sends none', async () => {
    const at = folderWith({
      'tocsin.yaml': `${config}state: { backend: ${backend} }\n`,
      'rules/live.yaml': rule('live', 'live'),
      'rules/tried.yaml': rule('tried', 'shadow'),
      'p.ndjson': ndjson(
        { ts: 1, card: 'c1', amount: 2 },
        { ts: 2, card: 'c2', amount: 1 },
        { ts: 3, card: 'c3', amount: 3 },
      ),
    })
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    const sent = readFileSync(join(at, 'alerts.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect([code, sent.map((alert) => alert.rule)]).toEqual([0, ['live', 'live']])
    expect(err).toMatch(/^ {2}tried +2$/m)
    const { out } = await tocsin(
      ...['dead-letters', 'list', '--config', join(at, 'tocsin.yaml')],
      ...['--kind', 'shadow', '--format', 'ndjson'],
    )
    const kept = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(kept.map(({ kind, alert }) => [kind, alert.rule, alert.by.card])).toEqual([
      ['shadow', 'tried', 'c1'],
      ['shadow', 'tried', 'c3'],
    ])
    expect(existsSync(join(at, 'state/side-output'))).toBe(true)
  })
})
