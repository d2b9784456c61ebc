import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createWebhookSink, webhookConnector } from '../../connectors/webhook/connector.ts'
import { guardedLookup, type Resolve } from '../../connectors/webhook/guarded-lookup.ts'
import { isPublicAddress } from '../../connectors/webhook/public-address.ts'

describe('an address of the public internet', () => {
  it.each([
    ...['1.1.1.1', '8.8.8.8', '100.63.255.255', '100.128.0.0', '172.15.0.1', '172.32.0.1'],
    ...['192.167.255.255', '198.20.0.1', '223.255.255.255', '2606:4700:4700::1111'],
    ...['2a00:1450:4001:82a::200e', '2001:4860:4860::8888', '64:ff9b::8.8.8.8', '64:ff9b::808:808'],
  ])('is %s', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })

  it.each([
    ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254'],
    ...['169.254.169.254', '168.63.129.16', '172.16.0.1', '172.31.255.255', '192.0.0.192'],
    ...['192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.9'],
    ...['224.0.0.1', '240.0.0.1', '255.255.255.255', '::', '::1', '::ffff:10.0.0.1'],
    ...['::ffff:8.8.8.8', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b::7f00:1'],
    ...['64:ff9b:1::1', '100::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
    ...['ff02::1', '2001::1', '2001:db8::1', '2002:7f00:1::', '3fff:fff::1', '5f00::1'],
    ...['', 'localhost', '1.2.3', '0x7f.1', '1.2.3.4.5', '1::2::3'],
  ])('is not %s', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

function resolving(...answers: readonly (readonly string[])[]): Resolve {
  const left = [...answers]
  return (_, __, callback) => {
    const addresses = (left.shift() ?? []).map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }))
    callback(null, addresses)
  }
}

function ask(lookup: LookupFunction, all: boolean): Promise<string | LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup('hook.example', { all }, (error, address) => {
      if (error === null) resolve(address)
      else reject(error)
    })
  })
}

describe('the lookup of a webhook', () => {
  it('gives what is public, one address or all, and asks anew each time', async () => {
    const lookup = guardedLookup(resolving(['1.1.1.1', '2606:4700::1'], ['1.1.1.1'], ['127.0.0.1']))
    expect([await ask(lookup, true), await ask(lookup, false)]).toEqual([
      [
        { address: '1.1.1.1', family: 4 },
        { address: '2606:4700::1', family: 6 },
      ],
      '1.1.1.1',
    ])
    await expect(ask(lookup, false)).rejects.toThrow(
      'hook.example is 127.0.0.1, which is no address of the public internet; `allow_private: true` permits it',
    )
  })

  it('refuses all where one is private, and a host without addresses', async () => {
    const lookup = guardedLookup(resolving(['1.1.1.1', '::ffff:10.0.0.1'], []))
    await expect(ask(lookup, true)).rejects.toThrow('hook.example is ::ffff:10.0.0.1, which')
    await expect(ask(lookup, true)).rejects.toThrow('hook.example has no address')
  })
})

describe('the URL of a webhook', () => {
  const context = { directory: '/' }

  it.each([
    ['https://127.0.0.1/hook', 'url leads to 127.0.0.1'],
    ['https://2130706433/', 'url leads to 127.0.0.1'],
    ['https://0x7f.1/', 'url leads to 127.0.0.1'],
    ['https://0177.0.0.01/', 'url leads to 127.0.0.1'],
    ['https://127。0。0。1/', 'url leads to 127.0.0.1'],
    ['https://[::1]/', 'url leads to ::1'],
    ['https://[::ffff:169.254.169.254]/', 'url leads to ::ffff:a9fe:a9fe'],
    ['https://[fd00:ec2::254]/', 'url leads to fd00:ec2::254'],
    ['http://example.org/', 'url is plain http'],
    ['ftp://example.org/', 'url begins with ftp:'],
    ['file:///etc/passwd', 'url begins with file:'],
    ['https://user:sesame@example.org/', 'url has a user or a password in it'],
    ['example.org/hook', 'url is no URL'],
  ])('cannot be %s', (url, message) => {
    let said = ''
    try {
      webhookConnector.sink?.create({ url }, context)
    } catch (error) {
      said = (error as Error).message
    }
    expect(said).toContain(`webhook: ${message}`)
    expect(said).not.toContain('sesame')
  })

  it.each([
    ['a host that leads to a private address', 'https://hook.example/', ['10.1.2.3']],
    ['a host that leads to this machine by IPv6', 'https://hook.example/', ['::1']],
  ])('is not connected to: %s', async (_, url, addresses) => {
    const sink = createWebhookSink({ url }, resolving(addresses, addresses))
    const failure = {
      message: expect.stringContaining(
        `the webhook https://hook.example is not permitted: hook.example is ${addresses[0]}`,
      ),
      retryable: true,
    }
    await expect(sink.write(['{}'], ['a'])).rejects.toMatchObject(failure)
    await expect(sink.checkConnection()).rejects.toMatchObject(failure)
    await sink.close()
  })

  it.each([
    [{ 'Content-Length': '5' }, 'the header Content-Length cannot be set'],
    [{ 'transfer-encoding': 'chunked' }, 'the header transfer-encoding cannot be set'],
    [{ 'x-a': 'b\r\nX-Evil: 1' }, 'the header "x-a" has a name or a value that HTTP forbids'],
    [{ 'x a': 'b' }, 'the header "x a" has a name or a value that HTTP forbids'],
  ])('goes with no header %j', (headers, message) => {
    expect(() => createWebhookSink({ url: 'https://example.org', headers })).toThrow(message)
  })
})
