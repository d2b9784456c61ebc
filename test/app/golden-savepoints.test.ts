import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith, root, tocsin } from './command-line.ts'

/*
 * Savepoints that versions of Tocsin have left in the midst of a job, 916 of 1,500 events in: what
 * comes of them must be what the job that was never stopped has given. A release that changes what is
 * stored adds one, and none is ever made anew.
 */
const golden = join(root, 'test/golden/savepoints')
const versions = readdirSync(golden).filter((name) => /^v\d+$/.test(name))
const expected = readFileSync(join(golden, 'expected-alerts.txt'), 'utf8').trimEnd().split('\n')

const config = `
streams:
  payments:
    source: { file: { path: events.ndjson.gz } }
    time: { field: ts, out_of_orderness: 5s }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
state: { dir: state/, backend: rocksdb, job: restored }
`
const added = `
id: added
from: payments
by: card
filter: merchant == 'm1'
detect: { within: 5m, sequence: [{ step: a }, { step: b, where: amount > a.amount }] }
`

function folder(): string {
  const at = folderWith({ 'tocsin.yaml': config })
  cpSync(join(golden, 'rules'), join(at, 'rules'), { recursive: true })
  cpSync(join(golden, 'events.ndjson.gz'), join(at, 'events.ndjson.gz'))
  return at
}

function alertsIn(at: string): { id: string; rule: string }[] {
  const lines = readFileSync(join(at, 'alerts.ndjson'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line))
}

describe('a savepoint of an earlier version', () => {
  it('is there for each version', () => {
    expect(versions).toEqual(['v1', 'v2'])
  })

  for (const version of versions) {
    const savepoint = join(golden, version, 'job.savepoint')

    it(`${version} gives the alerts that the job gives that was never stopped`, async () => {
      const at = folder()
      const args = ['--config', join(at, 'tocsin.yaml')]
      expect(await tocsin('savepoint', 'restore', savepoint, ...args)).toMatchObject({ code: 0 })
      expect(await tocsin('run', ...args)).toMatchObject({ code: 0 })
      expect(
        alertsIn(at)
          .map(({ id }) => id)
          .sort(),
      ).toEqual(expected)
    })
  }

  it('goes on with other rules where it says of what it is', async () => {
    const at = folder()
    writeFileSync(join(at, 'rules/added.yaml'), added)
    const args = ['--config', join(at, 'tocsin.yaml')]
    const v2 = join(golden, 'v2/job.savepoint')
    expect(await tocsin('savepoint', 'restore', v2, ...args)).toMatchObject({ code: 0 })
    expect(await tocsin('run', ...args)).toMatchObject({ code: 0 })
    const before = alertsIn(at).filter(({ rule }) => rule !== 'added')
    expect(before.map(({ id }) => id).sort()).toEqual(expected)
    expect(alertsIn(at).length).toBeGreaterThan(before.length)
  })

  it('of version 1 asks for its own rules first, and restores nothing for others', async () => {
    const at = folder()
    writeFileSync(join(at, 'rules/added.yaml'), added)
    const args = ['--config', join(at, 'tocsin.yaml')]
    const v1 = join(golden, 'v1/job.savepoint')
    expect(await tocsin('savepoint', 'restore', v1, ...args)).toMatchObject({
      code: 3,
      err: expect.stringMatching(/run once with the rules as they were.*\(STATE_MISMATCH\)/),
    })
    expect(readdirSync(join(at, 'state'))).toEqual([])
  })
})
