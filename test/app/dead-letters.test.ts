import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type HTTPReceiver, startHTTPReceiver, status } from '../harness/http-receiver.ts'
import { folderWith, leftOutIn, ndjson, tocsin } from './command-line.ts'

const receivers: HTTPReceiver[] = []
afterEach(async () => {
  for (const receiver of receivers.splice(0)) await receiver.close()
})

async function receiver(port = 0): Promise<HTTPReceiver> {
  const started = await startHTTPReceiver({ port })
  receivers.push(started)
  return started
}

const rule = `
id: each
title: "Card \${{ card }} \${{ note }}"
from: payments
by: card
detect: { event: { where: n > 0 } }
alert: { dedupe: { by: [card], for: 1s } }
`

const secret = '4111222233334444'
const escape = '\u001b[2J\u009b1m\u202e'

const events = [
  ndjson({ ts: 1000, card: 'c1', n: 1, pan: secret, note: escape }),
  // Digits that a double does not hold.
  '{"ts":2000,"card":"c2","n":9007199254740993.10,"pan":"x"}\n',
  ndjson({ ts: 2100, card: 'c2', n: 1 }),
  ndjson({ ts: 3000, card: 'c3', n: 1 }),
  ndjson({ ts: 500, card: 'c4', n: 1, pan: secret }),
  ndjson({ card: 'c5', pan: secret, note: escape }),
].join('')

function folder(url: string, options = '', more = ''): string {
  const at = folderWith({
    'tocsin.yaml': `
streams: { payments: { source: { file: { path: payments.ndjson } }, time: { field: ts }, redact: [pan] } }
sinks: { hook: { webhook: { url: "${url}", allow_private: true${options} }, default: true } }
${more}`,
    'rules/each.yaml': rule,
  })
  const broken = Buffer.concat([Buffer.from(`no json ${secret} `), Buffer.from([0xff, 10])])
  writeFileSync(join(at, 'payments.ndjson'), Buffer.concat([Buffer.from(events), broken]))
  return at
}

async function list(at: string, ...args: string[]) {
  return await tocsin('dead-letters', 'list', '--config', join(at, 'tocsin.yaml'), ...args)
}

async function rowsOf(at: string, ...args: string[]): Promise<Record<string, unknown>[]> {
  const { out } = await list(at, '--format', 'ndjson', ...args)
  return out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** Refuses the alerts of a card for good. */
const refusing =
  (card: string): HTTPReceiver['answers'][number] =>
  (response, { body }) =>
    response.writeHead(body.includes(`"by":{"card":"${card}"}`) ? 422 : 200).end('no')

describe.each(['memory', 'rocksdb'])('what a run with state in %s has left out', (backend) => {
  const more = `state: { backend: ${backend} }\n`

  it('is listed, of all kinds', async () => {
    const { url, answers } = await receiver()
    answers.push(refusing('c1'), refusing('c1'), refusing('c1'))
    const at = folder(url, '', more)
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect([code, err.includes('the sink hook did not take 1 alerts')]).toEqual([0, true])
    const rows = (await rowsOf(at)).map(({ kind, cause, offset, sink, suppressed_by }) => [
      kind,
      cause ?? sink ?? (suppressed_by === undefined ? undefined : 'by'),
      offset,
    ])
    expect(rows.sort()).toEqual([
      ['dead_letter', 'json', 6],
      ['dead_letter', 'time', 5],
      ['late', undefined, 4],
      ['suppressed', 'by', undefined],
      ['undelivered', 'hook', undefined],
    ])
    const kinds = await Promise.all(
      ['late', 'dead_letter', 'suppressed', 'undelivered'].map(
        async (kind) => (await rowsOf(at, '--kind', kind)).length,
      ),
    )
    expect(kinds).toEqual([1, 2, 1, 1])
    expect((await rowsOf(at, '--stream', 'payments')).length).toBe(3)
    expect((await rowsOf(at, '--limit', '2')).length).toBe(2)
    const [pretty, json] = [await list(at), await list(at, '--format', 'json')]
    expect([pretty.err, JSON.parse(json.out).total]).toEqual(['5 of 5\n', 5])
    expect(pretty.out).toMatch(
      /^\d{4}-\S+Z undelivered hook, after 1 attempts: the webhook \S+ answered 422: no\n {2}\S+ each: Card c1 /m,
    )
  })

  it('is shown without what streams redact, and without what leads a terminal astray', async () => {
    const { url, answers } = await receiver()
    answers.push(...Array.from({ length: 3 }, () => refusing('c1')))
    const at = folder(url, '', more)
    await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    for (const format of ['pretty', 'json', 'ndjson']) {
      const { out } = await list(at, '--format', format)
      expect(out).not.toContain(secret)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      expect(out.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
      expect(out).toContain('[redacted]')
      expect(out).toMatch(/\[redacted: 26 bytes that are no JSON\]/)
    }
  })

  it('may be written out as it came', async () => {
    const { url } = await receiver()
    const at = folder(url, '', more)
    await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    const output = join(at, 'out')
    const args = ['--config', join(at, 'tocsin.yaml'), '--output', output, '--kind', 'dead_letter']
    expect(await tocsin('dead-letters', 'export', ...args)).toMatchObject({ code: 0, out: '' })
    const files = readdirSync(output).sort()
    expect(files.map((name) => name.replace(/^\d+-/, '')).sort()).toEqual([
      'payments-0-5',
      'payments-0-6',
    ])
    const broken = files.find((name) => name.endsWith('-6')) as string
    const bytes = readFileSync(join(output, broken))
    expect([bytes.at(-1), bytes.toString('latin1', 0, 7)]).toEqual([0xff, 'no json'])
    expect((await tocsin('dead-letters', 'export', ...args)).code).toBe(3)
  })

  it('is sent again, as far as it is undelivered, and then no more', async () => {
    const first = await receiver()
    first.answers.push(...Array.from({ length: 3 }, () => status(410)))
    const at = folder(first.url, '', more)
    await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect((await rowsOf(at, '--kind', 'undelivered')).length).toBe(3)
    const retry = () => tocsin('dead-letters', 'retry', '--config', join(at, 'tocsin.yaml'))
    first.answers.push(...Array.from({ length: 3 }, () => refusing('c1')))
    const sent = first.requests.length
    const some = await retry()
    expect([some.code, some.err]).toEqual([
      3,
      expect.stringMatching(
        /^hook: 2 alerts delivered; 1 not: the webhook \S+ answered 422: no\n$/,
      ),
    ])
    const again = await retry()
    expect([again.code, again.err]).toEqual([0, 'hook: 1 alerts delivered\n'])
    expect(await retry()).toMatchObject({ code: 0, err: 'there are no undelivered alerts\n' })
    expect(await rowsOf(at, '--kind', 'undelivered')).toEqual([])
    const keys = (from: number, to?: number) =>
      first.requests
        .slice(from, to)
        .map(({ headers }) => headers['idempotency-key'])
        .sort()
    expect([keys(sent, sent + 3), first.requests.length]).toEqual([keys(0, sent), sent + 4])
    // Numbers have the digits that they came with.
    const { body } = first.requests.slice(sent).find((each) => each.body.includes('"c2"'))!
    expect(body).toContain('"n":9007199254740993.10')
  })

  it('has the alerts of a sink that was away until the last try', async () => {
    const gone = await startHTTPReceiver()
    await gone.close()
    const at = folder(gone.url, ', retry: { max_attempts: 2 }', more)
    const { code } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect([
      code,
      leftOutIn(join(at, 'state')).filter(({ kind }) => kind === 'undelivered').length,
    ]).toEqual([0, 3])
    const back = await receiver(gone.port)
    await tocsin('dead-letters', 'retry', '--config', join(at, 'tocsin.yaml'), '--sink', 'hook')
    expect(back.requests).toHaveLength(3)
  })
})

describe('tocsin dead-letters', () => {
  it('says what it does not understand', async () => {
    const at = folder('http://localhost:1')
    const config = join(at, 'tocsin.yaml')
    expect(await list(at, '--limit', '0')).toMatchObject({
      code: 2,
      err: 'error: --limit takes a whole number of at least 1, got 0 (USAGE)\n',
    })
    expect(await list(at, '--kind', 'lost')).toMatchObject({ code: 2 })
    const sink = ['dead-letters', 'retry', '--config', config, '--sink', 'mail']
    expect(await tocsin(...sink)).toMatchObject({
      code: 2,
      err: 'error: there is no sink mail; there are hook (USAGE)\n',
    })
    expect(await list(at)).toMatchObject({ code: 0, out: '', err: '0 of 0\n' })
  })

  it('names the place of damage, and leaves out a line that is not whole', async () => {
    const at = folder('http://localhost:1')
    const row = { kind: 'late', stream: 's', partition: 0, offset: 1, reason: 'r', raw: '' }
    const store = folderWith({ 'state/side-output/0000000001-0.ndjson': `${ndjson(row)}{"kind":` })
    writeFileSync(join(store, 'tocsin.yaml'), readFileSync(join(at, 'tocsin.yaml')))
    expect((await rowsOf(store)).length).toBe(1)
    const path = join(store, 'state/side-output/0000000001-0.ndjson')
    writeFileSync(path, `{"kind":\n${ndjson(row)}`)
    const { code, err } = await list(store)
    expect([code, err]).toEqual([
      3,
      expect.stringMatching(/ is damaged at line 1: .*STATE_CORRUPT/),
    ])
  })

  it('counts what its cap keeps out', async () => {
    const { url } = await receiver()
    const at = folder(url, '', 'state: { side_output: { cap: 0.4KiB, retention: 1d } }\n')
    const { err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect(err).toContain('has reached `state.side_output.cap`: what is left out as')
    expect(err).toMatch(/warning: \d of \w+ were not kept: `state.side_output.cap` was reached/)
  })
})
