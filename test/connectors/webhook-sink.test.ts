import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { createWebhookSink } from '../../connectors/webhook/connector.ts'
import type { WebhookSink } from '../../connectors/webhook/sink.ts'
import { PartialWriteError } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import {
  type HTTPReceiver,
  localhostCertificate,
  startHTTPReceiver,
  status,
} from '../harness/http-receiver.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function receiver(options?: Parameters<typeof startHTTPReceiver>[0]): Promise<HTTPReceiver> {
  const started = await startHTTPReceiver(options)
  closing.push(() => started.close())
  return started
}

function sinkTo(url: string, options: Readonly<Record<string, unknown>> = {}): WebhookSink {
  const sink = createWebhookSink({ url, allow_private: true, ...options })
  closing.push(() => sink.close())
  return sink
}

/** What a write of these ids comes to. */
async function outcome(sink: WebhookSink, ...ids: string[]) {
  try {
    await sink.write(
      ids.map((id) => `{"id":"${id}"}`),
      ids,
    )
    return 'taken'
  } catch (error) {
    if (error instanceof PartialWriteError) {
      const failures = [...error.failures].map(([index, { message, retryable }]) => [
        ids[index],
        message.replace(/localhost:\d+/, 'HOST'),
        retryable,
      ])
      return { failures, untried: [...error.untried].map((index) => ids[index]) }
    }
    const { message, retryable, retryAfterMs } = error as ConnectorError
    return { away: message.replace(/localhost:\d+/, 'HOST'), retryable, retryAfterMs }
  }
}

describe('a webhook', () => {
  it('is sent the document of an alert, with its id as key', async () => {
    const { url, requests } = await receiver()
    const sink = sinkTo(`${url}/hook?x=1`, {
      headers: { authorization: 'Bearer t' },
      method: 'PUT',
    })
    expect(await outcome(sink, 'a', 'b')).toBe('taken')
    const sent = requests
      .map(({ method, path, body, headers }) => [
        method,
        path,
        body,
        headers['idempotency-key'],
        headers['content-type'],
        headers.authorization,
      ])
      .sort()
    const rest = ['application/json; charset=utf-8', 'Bearer t']
    expect(sent).toEqual([
      ['PUT', '/hook?x=1', '{"id":"a"}', 'a', ...rest],
      ['PUT', '/hook?x=1', '{"id":"b"}', 'b', ...rest],
    ])
  })

  it('can check who has sent a request, and when', async () => {
    const { url, requests } = await receiver()
    const key = Buffer.from('a key of some bytes')
    const sink = sinkTo(url, { signing_secret: `whsec_${key.toString('base64')}` })
    const before = Math.floor(Date.now() / 1000)
    await sink.write(['{"title":"é"}'], ['a1'])
    const { headers, body } = requests[0]!
    const timestamp = String(headers['webhook-timestamp'])
    const signed = createHmac('sha256', key).update(`a1.${timestamp}.${body}`).digest('base64')
    expect(headers['webhook-id']).toBe('a1')
    expect(headers['webhook-signature']).toBe(`v1,${signed}`)
    expect(Number(timestamp) - before).toBeLessThan(60)
    expect(Number(timestamp)).toBeGreaterThanOrEqual(before)
  })

  it.each([
    [200, 'taken'],
    [204, 'taken'],
    [301, 'final'],
    [302, 'final'],
    [308, 'final'],
    [400, 'final'],
    [401, 'away'],
    [403, 'away'],
    [404, 'away'],
    [408, 'later'],
    [409, 'later'],
    [410, 'final'],
    [413, 'final'],
    [422, 'final'],
    [425, 'later'],
    [429, 'away'],
    [500, 'later'],
    [501, 'final'],
    [502, 'away'],
    [503, 'away'],
    [504, 'away'],
    [505, 'final'],
  ])('that answers %i: %s', async (code, meaning) => {
    const { url, answers } = await receiver()
    answers.push(status(code, { location: 'http://169.254.169.254/' }))
    const result = await outcome(sinkTo(url), 'a')
    if (result === 'taken') expect(meaning).toBe('taken')
    else if ('away' in result) expect(['away', true]).toEqual([meaning, result.retryable])
    else expect(result.failures[0]?.[2]).toBe(meaning === 'later')
  })

  it('that redirects is not followed', async () => {
    const { url, requests, answers } = await receiver()
    answers.push(status(302, { location: `${url}/elsewhere` }))
    expect(await outcome(sinkTo(`${url}/hook`), 'a')).toEqual({
      failures: [
        [
          'a',
          'the webhook http://HOST answered 302; redirects are not followed: write the new address',
          false,
        ],
      ],
      untried: [],
    })
    expect(requests.map(({ path }) => path)).toEqual(['/hook'])
  })

  it.each([
    ['7', 7000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
  ])('may say when to come again: %s', async (value, retryAfterMs) => {
    const { url, answers } = await receiver()
    answers.push(status(429, { 'retry-after': value }))
    expect(await outcome(sinkTo(url), 'a')).toMatchObject({ retryAfterMs, retryable: true })
  })

  it('that refuses one alert gets the others', async () => {
    const { url, answers } = await receiver()
    const refuseB: HTTPReceiver['answers'][number] = (response, { body }) =>
      response.writeHead(body.includes('"b"') ? 422 : 200).end('no')
    answers.push(refuseB, refuseB, refuseB)
    expect(await outcome(sinkTo(url), 'a', 'b', 'c')).toEqual({
      failures: [['b', 'the webhook http://HOST answered 422: no', false]],
      untried: [],
    })
  })

  it('that goes away is not asked for the rest', async () => {
    const { url, requests, answers } = await receiver()
    answers.push(status(200), status(503))
    const result = await outcome(sinkTo(url, { connections: 1 }), 'a', 'b', 'c', 'd')
    expect([result, requests.length]).toEqual([
      { failures: [['b', 'the webhook http://HOST answered 503', true]], untried: ['c', 'd'] },
      2,
    ])
  })

  it('may be gone and come back', async () => {
    const first = await startHTTPReceiver()
    const sink = sinkTo(first.url)
    expect(await outcome(sink, 'a')).toBe('taken')
    await first.close()
    expect(await outcome(sink, 'b')).toMatchObject({
      away: expect.stringMatching(/^the webhook http:\/\/HOST cannot be reached: /),
      retryable: true,
    })
    const second = await receiver({ port: first.port })
    expect(await outcome(sink, 'b')).toBe('taken')
    expect(second.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['b'])
  })

  it('that does not answer is not waited for for ever', async () => {
    const { url, answers } = await receiver()
    answers.push(
      () => undefined,
      (response) => response.writeHead(500).write('begun'),
    )
    const sink = sinkTo(url, { timeout: '100ms' })
    const late = { away: 'the webhook http://HOST cannot be reached: no answer within 100 ms' }
    expect(await outcome(sink, 'a')).toMatchObject(late)
    expect(await outcome(sink, 'a')).toMatchObject(late)
  })

  it('shows a bounded, escaped part of what it says, and no secret in it', async () => {
    const { url, answers } = await receiver()
    const path = '/services/T000/B000/token'
    const body = `\u001b[2Jno\r\nBearer sesame-open at ${path}\u202e ${'x'.repeat(5000)}`
    answers.push(status(400, {}, body))
    const sink = sinkTo(`${url}${path}`, { headers: { authorization: 'Bearer sesame-open' } })
    const result = await outcome(sink, 'a')
    const message = String((result as { failures: unknown[][] }).failures[0]?.[1])
    expect(message).toMatch(
      /^the webhook http:\/\/HOST answered 400: \\u001b\[2Jno\\u000d\\u000a\[secret\] at \[secret\]\\u202e x+…$/,
    )
    expect(message.length).toBeLessThan(300)
  })

  it('is trusted by the certificate that is named, and by no other', async () => {
    const { url, requests } = await receiver({ secure: true })
    const trusting = sinkTo(url, { tls: { ca: localhostCertificate } })
    expect(await outcome(trusting, 'a')).toBe('taken')
    await trusting.checkConnection()
    const other = sinkTo(url)
    expect(await outcome(other, 'b')).toMatchObject({
      away: expect.stringContaining('self-signed certificate'),
    })
    await expect(other.checkConnection()).rejects.toThrow('self-signed certificate')
    expect(requests).toHaveLength(1)
    expect(() => sinkTo(url, { tls: { ca: 'no PEM', key: 'nor this' } })).toThrow('webhook: tls: ')
  })

  it('can be tried without an alert', async () => {
    const first = await startHTTPReceiver()
    const sink = sinkTo(first.url)
    await sink.checkConnection()
    await first.close()
    await expect(sink.checkConnection()).rejects.toBeInstanceOf(ConnectorError)
    expect(first.requests).toEqual([])
  })
})

describe('a message for Slack', () => {
  const alert = {
    id: 'a1',
    rule: 'card-testing',
    severity: 'high',
    title: 'Card <!channel> & *c1*\r\nnext',
    state: 'firing',
    by: { card: 'c1' },
    event_time: 1_767_225_600_000,
    detected_at: 1,
    tags: [],
    fields: {
      lost: 900,
      note: { deep: true },
      ...Object.fromEntries([...'abcdefghij'].map((k) => [k, k])),
    },
    steps: {},
  }

  it('has title, fields and time, and mentions nobody', async () => {
    const { url, requests } = await receiver()
    const sink = sinkTo(url, { format: 'slack' })
    await sink.write([JSON.stringify(alert)], ['a1'])
    const message = JSON.parse(requests[0]?.body ?? '')
    expect(message.text).toBe('[high] Card &lt;!channel&gt; &amp; \u200b*c1\u200b* next')
    expect(message.blocks.map(({ type }: { type: string }) => type)).toEqual([
      'section',
      'section',
      'context',
    ])
    expect(message.blocks[1].fields).toHaveLength(10)
    expect(message.blocks[1].fields.slice(0, 3)).toEqual([
      { type: 'mrkdwn', text: '*card*\nc1' },
      { type: 'mrkdwn', text: '*lost*\n900' },
      { type: 'mrkdwn', text: '*note*\n{"deep":true}' },
    ])
    expect(message.blocks[2].elements[0].text).toBe(
      'rule card-testing · 2026-01-01T00:00:00.000Z · a1 · 3 more fields',
    )
  })
})
