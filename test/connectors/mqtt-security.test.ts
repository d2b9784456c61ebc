import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'
import { mqttConnector } from '../../connectors/mqtt/connector.ts'
import {
  mosquitto,
  mosquittoName,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../harness/mqtt-broker.ts'
import {
  loggedSource,
  newFolder,
  publisher,
  readRecords,
  readUntil,
  readUntilSubscribed,
  sourceOf,
} from '../harness/mqtt-session.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function started(lines: readonly string[]): Promise<TestBroker> {
  const broker = await startMosquitto(lines)
  closing.push(() => broker.remove())
  return broker
}

function folder(): string {
  const { path, remove } = newFolder()
  closing.push(remove)
  return path
}

/** What a source by these options comes to grief with. */
async function failureOf(broker: TestBroker, options: Readonly<Record<string, unknown>>) {
  const [reader] = await loggedSource(sourceOf(broker, options), folder()).open('s')
  closing.push(() => reader!.close())
  return await readUntilSubscribed(reader!).catch(({ code, message, retryable }) => ({
    code,
    message,
    retryable,
  }))
}

describe.skipIf(mosquitto === undefined)(`an MQTT source and what ${mosquittoName} refuses`, () => {
  it('takes user and password, and says when they are wrong, but not what they were', async () => {
    const passwords = join(folder(), 'passwords')
    execFileSync('mosquitto_passwd', ['-b', '-c', passwords, 'tocsin', 'se:cret/1'])
    const broker = await started(['allow_anonymous false', `password_file ${passwords}`])
    const user = { username: 'tocsin', password: 'se:cret/1' }
    await sourceOf(broker, user).checkConnection!()
    for (const version of ['3.1.1', 5]) {
      const wrong = await failureOf(broker, { ...user, password: 'wrong-one', version })
      expect(wrong).toEqual({
        code: 'INPUT_UNREADABLE',
        message: expect.stringMatching(
          /^mqtt:\/\/127\.0\.0\.1:\d+: (the broker refuses user or password|this user is not allowed to do it)$/,
        ),
        retryable: false,
      })
    }
  })

  it('fails where a subscription is refused, and names it', async () => {
    const rights = join(folder(), 'rights')
    writeFileSync(rights, 'topic read open/#\n')
    const broker = await started([`acl_file ${rights}`])
    expect(
      await failureOf(broker, { topic: ['open/#', '$share//x'] }).catch(({ message }) => message),
    ).toBe('mqtt: topic `$share//x`: a shared subscription is written `$share/GROUP/FILTER`')
    const limited = await started(['max_qos 1'])
    expect(await failureOf(limited, { topic: 'a/#', qos: 2 })).toEqual({
      code: 'INPUT_UNREADABLE',
      message: `${limited.url}: the broker grants only QoS 1 for \`a/#\`, not 2; set \`qos: 1\``,
      retryable: false,
    })
  })

  it('speaks TLS, with certificates of both sides, and refuses one that it cannot trust', async () => {
    const at = folder()
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: at, stdio: 'pipe' })
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    openssl(
      ...request,
      ...[
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      ],
      ...['-keyout', 'key.pem', '-out', 'cert.pem'],
    )
    const broker = await started([
      'listener PORT 127.0.0.1',
      `cafile ${at}/cert.pem`,
      `certfile ${at}/cert.pem`,
      `keyfile ${at}/key.pem`,
      'require_certificate true',
    ])
    const [cert, key] = ['cert', 'key'].map((name) => readFileSync(join(at, `${name}.pem`), 'utf8'))
    const secure: TestBroker = { ...broker, url: `mqtts://127.0.0.1:${broker.port}` }
    const tls = { ca: cert, cert, key }
    await sourceOf(secure, { tls }).checkConnection!()
    expect(await failureOf(secure, { tls: { cert, key } })).toEqual({
      code: 'INPUT_UNREADABLE',
      // Node 24 adds a hint.
      message: expect.stringMatching(
        /^mqtts:\/\/127\.0\.0\.1:\d+: self-signed certificate(; if the root CA is installed locally, try running Node\.js with --use-system-ca)?$/,
      ),
      retryable: false,
    })
    const other = { tls: { ...tls, server_name: 'elsewhere' } }
    expect((await failureOf(secure, other)) as object).toMatchObject({ retryable: false })
  })

  it('shares a topic with other subscribers of a group', async () => {
    const broker = await started([])
    const readers = await Promise.all(
      ['one', 'two'].map(async (client_id) => {
        const source = sourceOf(broker, { topic: '$share/g/shared/+n', client_id })
        const [reader] = await loggedSource(source, folder()).open('s')
        closing.push(() => reader!.close())
        await readUntilSubscribed(reader!)
        return reader!
      }),
    )
    const client = await publisher(broker)
    for (let n = 0; n < 100; n++) await client.publishAsync(`shared/${n}`, '{}', { qos: 1 })
    await client.endAsync()
    const [one, two] = await Promise.all(readers.map((reader) => readRecords(reader, 1)))
    const all = [...one!, ...two!].map(({ text }) => Number(JSON.parse(text).n))
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(one!.length > 20 && two!.length > 20).toBe(true)
  })

  it('takes a user property of version 5 for the identity of a message', async () => {
    const broker = await started([])
    const options = { topic: 'p/#', message_id: { user_property: 'id' }, client_id: 'property' }
    const [reader] = await loggedSource(sourceOf(broker, options), folder()).open('s')
    closing.push(() => reader!.close())
    await readUntilSubscribed(reader!)
    const client = await publisher(broker)
    for (const [id, n] of [
      ['x', 1],
      ['x', 2],
      ['y', 3],
    ] as const) {
      const properties = { userProperties: { id } }
      await client.publishAsync('p/a', `{"n":${n}}`, { qos: 1, properties })
    }
    await client.endAsync()
    const texts = (await readRecords(reader!, 2)).map(({ text }) => text)
    expect(texts).toEqual(['{"n":1}', '{"n":3}'])
  })

  it('takes packet ids for new ones where the broker has forgotten the session', async () => {
    const broker = await started([])
    const options = { topic: 'f/#', qos: 2, client_id: 'forgotten' }
    const [first] = await sourceOf(broker, options).open('s')
    first!.receipts!.restore(undefined)
    await readUntilSubscribed(first!)
    const client = await publisher(broker)
    await client.publishAsync('f/a', '{"n":1}', { qos: 2 })
    // Taken and durable, and the broker has not heard of it.
    const ledger = first!.receipts!.createLedger()
    for (let taken = false; !taken; ) {
      const result = await first!.pollBatch()
      if (result.kind !== 'batch') continue
      ledger.add(result.receipt!)
      taken = result.batch.count > 0
    }
    await first!.close()
    // The broker forgets: the next packet of the session has the same id.
    const clean = await connectAsync(broker.url, { clientId: 'forgotten', clean: true })
    await clean.endAsync()
    const [second] = await sourceOf(broker, options).open('s')
    closing.push(() => second!.close())
    second!.receipts!.restore(ledger.snapshot())
    await readUntilSubscribed(second!)
    await client.publishAsync('f/a', '{"n":2}', { qos: 2 })
    await client.endAsync()
    expect((await readRecords(second!, 1)).map(({ text }) => text)).toEqual(['{"n":2}'])
  })

  it('stays connected where the broker has more of QoS 2 under way than was agreed on', async () => {
    const broker = await started([])
    const options = { topic: 'burst/#', qos: 2, receive_maximum: 5, client_id: 'burst' }
    const [reader] = await loggedSource(sourceOf(broker, options), folder()).open('s')
    closing.push(() => reader!.close())
    await readUntilSubscribed(reader!)
    const client = await publisher(broker)
    closing.push(() => client.endAsync(true))
    const count = 300
    const published = Promise.all(
      Array.from({ length: count }, (_, n) => client.publishAsync('burst/a', `${n}`, { qos: 2 })),
    )
    const problems = new Set<string>()
    let taken = 0
    await readUntil(reader!, (records, last) => {
      if (last.kind === 'idle' && last.problem !== undefined) problems.add(last.problem)
      taken = records.length
      return taken === count || problems.size > 0
    })
    expect([taken, [...problems]]).toEqual([count, []])
    await published
  })

  it('takes no alert that is larger than the broker takes, and sends the others', async () => {
    const broker = await started(['max_packet_size 2000'])
    const options = { url: broker.url, topic: 'alerts' }
    const sink = mqttConnector.sink!.create(options, { directory: '/' })
    closing.push(() => sink.close())
    const documents = [JSON.stringify({ id: 'a' }), JSON.stringify({ id: 'x'.repeat(3000) })]
    const failure = await sink.write([...documents, '{}'], ['1', '2', '3']).catch((error) => error)
    expect(failure.failures.size).toBe(1)
    expect(failure.failures.get(1)).toMatchObject({
      message: `${broker.url}: an alert is larger than the broker takes, which is 2000 bytes`,
      retryable: false,
    })
  })

  it('says that two clients of one name end each other', async () => {
    const broker = await started([])
    const source = () => sourceOf(broker, { client_id: 'same' })
    const [first] = await source().open('s')
    await readUntilSubscribed(first!)
    const other = await publisher(broker, { clientId: 'same', reconnectPeriod: 0 })
    closing.push(() => other.endAsync(true))
    for (;;) {
      const result = await first!.pollBatch()
      if (result.kind !== 'idle' || result.problem === undefined) continue
      expect(result.problem).toMatch(/another client ha(s connected with|ve) the same client_id/)
      break
    }
    await first!.close()
  })
})

it('says what to set where a broker does not speak version 5', async () => {
  const broker = await startAedes()
  closing.push(() => broker.remove())
  expect(await failureOf(broker, { version: 5 })).toEqual({
    code: 'INPUT_UNREADABLE',
    message: `${broker.url}: the broker does not speak this version of MQTT; set \`version: 3.1.1\``,
    retryable: false,
  })
})
