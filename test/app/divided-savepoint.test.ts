import { createHash } from 'node:crypto'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { canonicalKey } from '../../src/stream/key.ts'
import { defaultMaxParallelism, hashKey, keyGroupOf } from '../../src/stream/key-group.ts'
import { folderWith, root, tocsin } from './command-line.ts'

const golden = join(root, 'test/golden/savepoints')
const expected = readFileSync(join(golden, 'expected-alerts.txt'), 'utf8').trimEnd().split('\n')
const lines = readFileSync(join(golden, 'v2/job.savepoint'), 'utf8').trimEnd().split('\n')

/** Who of `owners` has a key: key groups are dealt out in ranges. */
function ownerOf(key: Buffer, owners: number): number {
  return Math.floor((keyGroupOf(hashKey(key)) * owners) / defaultMaxParallelism)
}

/** The savepoint with what one owner has of the keys: open state, and events that wait. */
function partOf(owner: number, owners: number): string {
  const isOwn = (key: string) => ownerOf(Buffer.from(key, 'latin1'), owners) === owner
  const own = lines.slice(0, -1).flatMap((text) => {
    const line = JSON.parse(text)
    if (line.kind === 'entry') return isOwn(line.key) ? [text] : []
    if (line.kind !== 'part' || line.part.kind !== 'sorter') return [text]
    const events = line.part.events.filter((event: readonly string[]) => isOwn(event[6] as string))
    return [JSON.stringify({ ...line, part: { ...line.part, events } })]
  })
  const body = `${own.join('\n')}\n`
  const sha256 = createHash('sha256').update(body).digest('hex')
  return `${body}${JSON.stringify({ kind: 'end', lines: own.length, sha256 })}\n`
}

/** The alerts that a job gives for an owner's keys, by id. */
async function alertsOf(owner: number, owners: number): Promise<string[]> {
  const at = folderWith({
    'tocsin.yaml': `
streams:
  payments:
    source: { file: { path: events.ndjson.gz } }
    time: { field: ts, out_of_orderness: 5s }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
state: { dir: state/, backend: rocksdb, job: restored }
`,
  })
  cpSync(join(golden, 'rules'), join(at, 'rules'), { recursive: true })
  cpSync(join(golden, 'events.ndjson.gz'), join(at, 'events.ndjson.gz'))
  writeFileSync(join(at, 'part.savepoint'), partOf(owner, owners))
  const args = ['--config', join(at, 'tocsin.yaml')]
  const restored = await tocsin('savepoint', 'restore', join(at, 'part.savepoint'), ...args)
  expect(restored).toMatchObject({ code: 0 })
  expect(await tocsin('run', ...args)).toMatchObject({ code: 0 })
  const alerts = readFileSync(join(at, 'alerts.ndjson'), 'utf8').trimEnd().split('\n')
  return alerts.flatMap((text) => {
    const { id, by } = JSON.parse(text) as { id: string; by: Record<string, string> }
    const key = canonicalKey(Object.values(by)[0]) as Buffer
    // An owner would not be given the events of other keys.
    return ownerOf(key, owners) === owner ? [id] : []
  })
}

describe('a savepoint', () => {
  for (const owners of [2, 5]) {
    it(`gives together what one gives when ${owners} share its keys`, async () => {
      const shares: string[][] = []
      for (let owner = 0; owner < owners; owner++) shares.push(await alertsOf(owner, owners))
      expect(shares.flat().sort()).toEqual(expected)
      expect(shares.every((share) => share.length > 0)).toBe(true)
    }, 60_000)
  }
})
