import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildOnce, folderWith, ndjson, root, runBinary, startBinary } from './command-line.ts'

const rule = 'id: big\nfrom: payments\nby: card\ndetect: { event: { where: n > 1 } }\n'

const event = { ts: 1, card: 'c1', n: 2 }

describe('the binary', () => {
  beforeAll(buildOnce)

  it('prints its version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(runBinary(root, ['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })

  it('finds tocsin.yaml and rules/ where it is started', () => {
    const config =
      'streams: { payments: { source: { stdin: {} }, time: { field: ts } } }\n' +
      'sinks: { here: { stdout: {}, default: true } }\n'
    const at = folderWith({ 'tocsin.yaml': config, 'rules/big.yaml': rule })
    expect(runBinary(at, ['check'])).toEqual({
      code: 0,
      out: '',
      err: 'rules: 1 valid, 0 errors, 0 warnings\n',
    })
    const ran = runBinary(at, ['run'], ndjson(event, { ...event, n: 0 }))
    expect([ran.code, JSON.parse(ran.out).rule]).toEqual([0, 'big'])
    expect(runBinary(at, ['replay', '--output', 'a.ndjson'], ndjson(event)).code).toBe(0)
    expect(JSON.parse(readFileSync(join(at, 'a.ndjson'), 'utf8')).steps).toBeDefined()
  })

  it('holds its input to the wall clock in a run, and takes it for history in a replay', () => {
    const config =
      'streams: { payments: { source: { stdin: {} }, time: { field: ts, max_future_skew: 1d } } }\n' +
      'sinks: { here: { stdout: {}, default: true } }\n'
    const at = folderWith({ 'tocsin.yaml': config, 'rules/big.yaml': rule })
    const input = ndjson(event, { ...event, ts: 253_402_300_799_999 })
    const counts = (args: readonly string[]) => {
      const { out, err } = runBinary(at, args, input)
      return /^events +(\d+).*\nlate +0\ninvalid +(\d+)\n/m.exec(out + err)?.slice(1)
    }
    expect([
      counts(['run']),
      counts(['replay']),
      counts(['replay', '--config', 'tocsin.yaml', '--input', 'payments=-']),
      counts(['replay', '--input', 'payments=-']),
    ]).toEqual([
      ['1', '1'],
      ['2', '0'],
      ['2', '0'],
      ['2', '0'],
    ])
  })

  it('runs the example', () => {
    const { code, out, err } = runBinary(root, ['run', '--config', 'examples/tocsin.yaml'])
    const alerts = Number(/^alerts +(\d+)$/m.exec(err)?.[1])
    expect([code, alerts > 80, out.trimEnd().split('\n').length]).toEqual([0, true, alerts])
  })

  it('ends with 2 and one line where there is nothing to run', () => {
    const at = folderWith({})
    expect(runBinary(at, ['run'])).toEqual({
      code: 2,
      out: '',
      err: 'error: there is no tocsin.yaml here; name one with --config, or go to its folder (CONFIG_INVALID)\n',
    })
  })

  it('explains events that come by stdin', () => {
    const at = folderWith({ 'big.yaml': rule })
    expect(runBinary(at, ['explain', 'big.yaml', '--event', '@-'], ndjson(event))).toEqual({
      code: 0,
      out:
        'card "c1": 1 event\n  took event 1: matched at 1970-01-01T00:00:00.001Z\n' +
        'alert at 1970-01-01T00:00:00.001Z: big\n',
      err: '',
    })
  })

  it('says nothing when its reader has seen enough', async () => {
    const child = startBinary(root, ['schema'])
    child.stdout.destroy()
    let err = ''
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    const [code] = await once(child, 'close')
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  it('stops on Ctrl-C with 130, and no half of an output', async () => {
    const at = folderWith({ 'rules/big.yaml': rule })
    const child = startBinary(at, ['replay', '--input', 'payments=-', '--output', 'alerts.ndjson'])
    let err = ''
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    // The file is there, under its other name, once the run has begun.
    while (!existsSync(join(at, 'alerts.ndjson.partial'))) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    child.stdin.write(ndjson(event))
    child.kill('SIGINT')
    const [code] = await once(child, 'close')
    expect({ code, err, left: existsSync(join(at, 'alerts.ndjson')) }).toEqual({
      code: 130,
      err: 'interrupted; alerts.ndjson is as it was\n',
      left: false,
    })
  })
})
