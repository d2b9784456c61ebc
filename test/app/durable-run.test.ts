import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import { buildOnce, folderWith, runBinary, startBinary } from './command-line.ts'
import {
  alertsIn,
  durable,
  payments,
  rule,
  runUntilKilled,
  seed,
  sinks,
  streams,
  turn,
} from './durable-folder.ts'

const kills = Number(process.env.TOCSIN_KILL_ROUNDS ?? 6)

beforeAll(buildOnce)

/** What the summary says of events, late ones, alerts and suppressed ones. */
function counts(err: string): (string | undefined)[] {
  return ['events', 'late', 'alerts', 'suppressed'].map(
    (name) => new RegExp(`^${name} +([0-9,]+)`, 'm').exec(err)?.[1],
  )
}

describe('a run with checkpoints', () => {
  it(`gives each alert once over ${kills} kills`, {
    timeout: 60_000 + kills * 20_000,
  }, async () => {
    const files = { 'payments.ndjson': payments(200_000), 'rules/testing.yaml': rule }
    const plain = folderWith({ ...files, 'tocsin.yaml': streams + sinks })
    const expected = runBinary(plain, ['run'])
    // Most keys are on disk only.
    const config = durable.replace('10ms', '10ms, cache: 4KiB')
    const at = folderWith({ ...files, 'tocsin.yaml': config })
    const random = new Random(seed)
    let killed = 0
    while (killed < kills) {
      if (!(await runUntilKilled(at, random.integer(1, 2), random.integer(0, 300)))) break
      killed++
    }
    const { code, err } = runBinary(at, ['run'])
    // On a busy machine it may come to its end before the second.
    expect(killed).toBeGreaterThan(0)
    expect([code, counts(err)]).toEqual([0, counts(expected.err)])
    expect(alertsIn(plain).length).toBeGreaterThan(100)
    expect(alertsIn(at)).toEqual(alertsIn(plain))
  })

  it('ends at once where it had come to its end', () => {
    const at = folderWith({
      'payments.ndjson': payments(2000),
      'rules/testing.yaml': rule,
      'tocsin.yaml': durable,
    })
    const first = runBinary(at, ['run'])
    const alerts = alertsIn(at)
    const second = runBinary(at, ['run'])
    expect(second.err).toMatch(/^the job has come to its end at checkpoint \d+;/)
    expect([second.code, counts(second.err)]).toEqual([first.code, counts(first.err)])
    expect(alertsIn(at)).toEqual(alerts)
  })

  it('refuses a folder that another run has', async () => {
    const at = folderWith({
      'payments.ndjson': '',
      'rules/testing.yaml': rule,
      'tocsin.yaml': durable.replace('file: { path: payments.ndjson }', 'stdin: {}'),
    })
    const child = startBinary(at, ['run'])
    const closed = once(child, 'close')
    while (!existsSync(join(at, 'state/control'))) await turn()
    const { code, err } = runBinary(at, ['run'])
    expect([code, err]).toEqual([3, expect.stringContaining(`process ${child.pid} on `)])
    child.kill('SIGKILL')
    await closed
    expect(runBinary(at, ['run']).code).toBe(0)
    expect(existsSync(join(at, 'state/lock'))).toBe(false)
  })

  it('goes on with other rules, and says what became of the state of each', async () => {
    const files = {
      'payments.ndjson': payments(20_000),
      'rules/testing.yaml': rule,
      'rules/gone.yaml': rule.replace('id: testing', 'id: gone'),
      'tocsin.yaml': durable,
    }
    const whole = folderWith(files)
    runBinary(whole, ['run'])
    const at = folderWith({
      ...files,
      'other.yaml': `${durable}rules: other/\n`,
      'other/new.yaml': rule.replace('id: testing', 'id: new').replace('10m', '11m'),
      'other/testing.yaml': rule,
    })
    await runUntilKilled(at, 1, 0)
    const { code, err } = runBinary(at, ['run', '--config', 'other.yaml'])
    expect([code, /rules or streams.*(?:\n {2}.*)*/.exec(err)?.[0].replace(/\d+/g, 'N')]).toEqual([
      0,
      'rules or streams are others than in the state:\n' +
        '  - gone: removed, what it had open is dropped (N keys)\n' +
        '  + new: starts anew\n' +
        '  = testing: goes on (N keys)',
    ])
    const ofRule = (folder: string) => alertsIn(folder).filter((line) => line.includes('"testing"'))
    expect(ofRule(whole).length).toBeGreaterThan(10)
    expect(ofRule(at)).toEqual(ofRule(whole))
  })
})
