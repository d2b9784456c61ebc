import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, describe, expect, it } from 'vitest'
import { connectors } from '../../connectors/registry.ts'
import { readSource } from './source-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-registry-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the registry', () => {
  it('names every connector and what it can do', () => {
    const all = [...connectors].map(([name, { source, sink }]) => [
      name,
      source !== undefined,
      sink !== undefined,
    ])
    expect(all).toEqual([
      ['file', true, true],
      ['stdin', true, false],
      ['stdout', false, true],
      ['generator', true, false],
      ['kafka', true, true],
      ['mqtt', true, true],
      ['email', false, true],
      ['webhook', false, true],
    ])
  })

  const sides = [...connectors.values()].flatMap(({ name, source, sink }) =>
    [source, sink].flatMap((side) => (side === undefined ? [] : [{ name, options: side.options }])),
  )
  it.each(sides)('has a sound schema for $name, every option described', ({ options }) => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, keywords: ['x-expected'] })
    ajv.compile(options)
    const undescribed = Object.entries(options.properties).filter(
      ([, { description }]) => description.length < 10,
    )
    expect(undescribed).toEqual([])
  })

  it('opens paths from the folder of the configuration', async () => {
    writeFileSync(join(folder, 'a.ndjson'), '{"a":1}\n')
    const { source, sink } = connectors.get('file')!
    const context = { directory: folder }
    const records = [
      ...(await readSource(source!.create({ path: 'a.ndjson' }, context))),
      ...(await readSource(source!.create({ path: ['a.ndjson', 'a.ndjson'] }, context))),
    ]
    expect(records.map(({ partition, text }) => [partition, text])).toEqual([
      [0, '{"a":1}'],
      [0, '{"a":1}'],
      [1, '{"a":1}'],
    ])
    const out = sink!.create({ path: 'out.ndjson' }, context)
    await out.open()
    await out.write(['x'])
    await out.close()
    expect(readFileSync(join(folder, 'out.ndjson'), 'utf8')).toBe('x\n')
  })

  it('has defaults for the generator, and refuses a start that is no time', async () => {
    const { source } = connectors.get('generator')!
    const records = await readSource(
      source!.create({ kind: 'logins', count: 3 }, { directory: '.' }),
    )
    expect(records.map(({ text }) => JSON.parse(text).ts)).toEqual([
      1767225600000, 1767225600200, 1767225600400,
    ])
    expect(() => source!.create({ kind: 'auth', start: 'soon' }, { directory: '.' })).toThrow(
      'generator: start is not a time: soon; write it like 2026-01-01T00:00:00Z',
    )
  })
})
