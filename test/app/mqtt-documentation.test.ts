import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseConfig } from '../../app/config.ts'
import { connectors } from '../../connectors/registry.ts'
import { root } from './command-line.ts'

const text = readFileSync(join(root, 'docs/mqtt.md'), 'utf8')

it('docs/mqtt.md shows a configuration that is valid', () => {
  const [, example = ''] = /^```yaml\n(.*?)^```/ms.exec(text) ?? []
  const sources = { environment: { MQTT_PASSWORD: 'secret' }, readFile: () => '' }
  expect(parseConfig('tocsin.yaml', example, sources)).toMatchObject({ kind: 'valid' })
})

it('docs/mqtt.md names the options of source and sink, and no others', () => {
  const rows = [...text.matchAll(/^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|/gm)]
  const named = rows.flatMap(([, names = '']) => names.replaceAll('`', '').split(', '))
  const { source, sink } = connectors.get('mqtt')!
  const options = [source, sink].flatMap((side) => Object.keys(side!.options.properties))
  expect([...new Set(named)].sort()).toEqual([...new Set(options)].sort())
})
