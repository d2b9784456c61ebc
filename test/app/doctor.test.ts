import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { clockFinding, nodeFinding, systemFindings } from '../../app/doctor-system.ts'
import { buildOnce, folderWith, runBinary, startBinary, tocsin } from './command-line.ts'
import { payments, rule, turn } from './durable-folder.ts'

const config = (source: string) => `
streams: { payments: { source: ${source}, time: { field: ts } } }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
state: { dir: state/, backend: rocksdb, checkpoint_interval: 10ms, retained: 2 }
`

beforeAll(buildOnce)

/** What it finds, by check, in order. */
async function findings(at: string): Promise<{ code: number | null; found: [string, string][] }> {
  const { code, out } = await tocsin(
    'doctor',
    '--config',
    join(at, 'tocsin.yaml'),
    '--format',
    'json',
  )
  const all: { check: string; outcome: string }[] = JSON.parse(out)
  return { code, found: all.map(({ check, outcome }) => [check, outcome]) }
}

const system: [string, string][] = [
  ['tocsin', 'fine'],
  ['node', 'fine'],
  ['rocksdb', 'fine'],
  ['clock', 'fine'],
  ['space', expect.any(String) as unknown as string],
  ['clock of state', 'fine'],
]

describe('tocsin doctor', () => {
  it('reads all checkpoints, and finds what a disk has changed', async () => {
    const at = folderWith({
      'payments.ndjson': payments(3000),
      'rules/testing.yaml': rule,
      'tocsin.yaml': config('{ file: { path: payments.ndjson } }'),
    })
    runBinary(at, ['run'])
    const retained = readdirSync(join(at, 'state/checkpoints/retained'))
    const whole = retained.map((): [string, string] => ['retained', 'fine'])
    expect(await findings(at)).toEqual({
      code: 0,
      found: [...system, ['checkpoint', 'fine'], ...whole],
    })
    // The copies are links: what the disk changes in one is changed in all that have it.
    const folder = join(at, 'state/checkpoints/db')
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.sst'))) {
      const bytes = readFileSync(join(folder, name))
      for (let at = 0; at < 40; at++) bytes[at] = (bytes[at] as number) ^ 0x55
      writeFileSync(join(folder, name), bytes)
    }
    const { code, found } = await findings(at)
    expect([code, found.find(([check]) => check === 'checkpoint')]).toEqual([
      1,
      ['checkpoint', 'failed'],
    ])
    const { out } = await tocsin('doctor', '--config', join(at, 'tocsin.yaml'))
    expect(out).toMatch(/^failed {2}checkpoint {4}.*state\/checkpoints/m)
  }, 60_000)

  it('reads a copy where the job runs', async () => {
    const at = folderWith({ 'rules/testing.yaml': rule, 'tocsin.yaml': config('{ stdin: {} }') })
    const child = startBinary(at, ['run'])
    const closed = once(child, 'close')
    child.stdin.write(payments(100))
    while (!existsSync(join(at, 'state/checkpoints/checkpoint'))) await turn()
    const { code, found } = await findings(at)
    expect([code, found.find(([check]) => check === 'checkpoint')]).toEqual([
      0,
      ['checkpoint', 'fine'],
    ])
    child.kill('SIGKILL')
    await closed
  }, 60_000)

  it('says what a machine lacks', async () => {
    const missing = async () => {
      throw new Error('libatomic is missing')
    }
    expect((await systemFindings(missing))[2]).toEqual({
      check: 'rocksdb',
      outcome: 'failed',
      detail: 'libatomic is missing',
    })
    expect([nodeFinding('18.20.1').outcome, nodeFinding('20.9.0').outcome]).toEqual([
      'failed',
      'failed',
    ])
    expect(clockFinding(Date.UTC(1970, 0, 1)).outcome).toBe('failed')
  })
})
