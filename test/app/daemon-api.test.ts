import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseListenAddress } from '../../app/listen-address.ts'
import { buildOnce, folderWith, root, runBinary } from './command-line.ts'
import { Daemon } from './daemon.ts'

beforeAll(buildOnce, 120_000)

const config = `
streams: { payments: { source: { generator: { kind: payments, unbounded: true, rate: 1000 } }, time: { field: ts } } }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
state: { backend: rocksdb, checkpoint_interval: 50ms }
api: { listen: 127.0.0.1:0 }
`
const rule = 'id: large\nfrom: payments\nby: card\ndetect: { event: { where: amount > 50 } }\n'
const files = { 'tocsin.yaml': config, 'rules/large.yaml': rule }

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line))
}

async function startWithApi(folder: string): Promise<{ daemon: Daemon; url: string }> {
  const daemon = new Daemon(folder, [])
  let url: unknown
  await daemon.until(() => {
    url = linesOf(daemon.err).find((line) => line.url !== undefined)?.url
    return url !== undefined
  })
  return { daemon, url: url as string }
}

function answerOf(url: string, options: { method?: string; host?: string }) {
  return new Promise<number | undefined>((resolve, reject) => {
    const headers = options.host === undefined ? {} : { host: options.host }
    request(url, { method: options.method ?? 'GET', headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

describe('the HTTP interface of a run', () => {
  it('tells health and metrics while it runs, and its log is for programs', {
    timeout: 120_000,
  }, async () => {
    const folder = folderWith(files)
    const { daemon, url } = await startWithApi(folder)
    let health: Response | undefined
    await daemon.until(async () => {
      health = await fetch(`${url}/healthz`)
      return health.status === 200
    })
    const report = await health?.json()
    expect(report).toMatchObject({ status: 'ok', reasons: [] })
    let text = ''
    await daemon.until(async () => {
      text = await (await fetch(`${url}/metrics`)).text()
      return /tocsin_checkpoint_number [1-9]/.test(text) && /_alerts_total\{.*\} [1-9]/.test(text)
    })
    expect(text).toMatch(/^tocsin_events_total\{stream="payments"\} [1-9]\d*$/m)
    expect(text).toMatch(/^tocsin_watermark_lag_seconds\{stream="payments",partition="0"\} \d/m)
    expect(text).toMatch(/^tocsin_healthy 1$/m)
    const names = [...text.matchAll(/^# TYPE (tocsin_\w+) (\w+)$/gm)].map(([, name]) => name)
    const documented = [
      ...readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^\| `(tocsin_\w+)/gm),
    ].map(([, name]) => name)
    expect(documented.sort()).toEqual(names.sort())
    const { code } = await daemon.stop()
    const log = linesOf(daemon.err)
    expect(log.length).toBe(daemon.err.trimEnd().split('\n').length)
    expect([code, log.at(-1)]).toMatchObject([0, { level: 'info', msg: 'summary' }])
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })

  it('answers only what is asked rightly', { timeout: 60_000 }, async () => {
    const { daemon, url } = await startWithApi(folderWith(files))
    const { port } = new URL(url)
    expect([
      await answerOf(`${url}/metrics`, { host: 'evil.test' }),
      await answerOf(`${url}/metrics`, { host: `localhost:${port}` }),
      await answerOf(`${url}/healthz`, { method: 'POST' }),
      await answerOf(`${url}/../etc/passwd`, {}),
      await answerOf(`${url}/healthz?probe=1`, {}),
    ]).toEqual([403, 200, 405, 404, expect.any(Number)])
    await daemon.stop()
  })

  it('says that a port is taken, and does not run', { timeout: 60_000 }, async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const text = config.replace(':0', `:${port}`)
    const { code, err } = runBinary(folderWith({ ...files, 'tocsin.yaml': text }), ['run'])
    other.close()
    const [line] = linesOf(err)
    expect([code, line]).toMatchObject([
      3,
      {
        level: 'error',
        code: 'API_UNAVAILABLE',
        msg: `cannot listen on 127.0.0.1:${port} (api.listen): the port is taken; choose another one, or end what has it`,
      },
    ])
  })

  it('warns where others can reach it', { timeout: 60_000 }, async () => {
    const text = config.replace('127.0.0.1:0', '0.0.0.0:0')
    const { daemon } = await startWithApi(folderWith({ ...files, 'tocsin.yaml': text }))
    expect(linesOf(daemon.err)[0]).toMatchObject({
      level: 'warn',
      msg: expect.stringMatching(/^api.listen is 0.0.0.0:0: whoever reaches this machine/),
    })
    await daemon.stop()
  })
})

describe('the address of the HTTP interface', () => {
  it.each([
    ['127.0.0.1:7474', { host: '127.0.0.1', port: 7474 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['metrics.internal:9000', { host: 'metrics.internal', port: 9000 }],
    ['9000', { host: '127.0.0.1', port: 9000 }],
    [':9000', { problem: 'expected an address such as `127.0.0.1:7474`, got `:9000`' }],
    ['a:99999', { problem: 'expected an address such as `127.0.0.1:7474`, got `a:99999`' }],
    ['::1:80', { problem: 'expected an address such as `127.0.0.1:7474`, got `::1:80`' }],
  ])('is read from %s', (text, expected) => {
    expect(parseListenAddress(text)).toEqual(expected)
  })
})
