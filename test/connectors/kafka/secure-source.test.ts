import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kafkaConnector } from '../../../connectors/kafka/connector.ts'
import type { ConnectorError } from '../../../src/errors.ts'
import { KafkaBroker } from '../../harness/kafka-broker.ts'
import { hasOwnKafka, ownKafka } from '../../harness/shared-kafka.ts'

const hasOpenSSL = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOwnKafka || !hasOpenSSL)(
  'a Kafka source over TLS and SASL',
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
    let broker: KafkaBroker
    let ca = ''
    beforeAll(async () => {
      ca = makeCertificate(folder)
      broker = await startSecureBroker(folder)
    }, 120_000)
    afterAll(async () => {
      await broker?.kill()
      rmSync(folder, { recursive: true, force: true })
    })

    /** What opening a topic comes to: with a broker that lets us in, that there is none. */
    async function outcome(tls: unknown, password: string): Promise<string> {
      const options = {
        brokers: [broker.bootstrap],
        topic: 'payments',
        tls,
        sasl: { mechanism: 'plain', username: 'tocsin', password },
      }
      const source = kafkaConnector.source!.create(options, { directory: '.' })
      return await source.open('payments').then(
        () => 'opened',
        (error: ConnectorError) => `${error.retryable ? 'for now ' : ''}${error.message}`,
      )
    }

    it('is let in by the password, where the certificate is trusted', async () => {
      expect(await outcome({ ca, server_name: 'localhost' }, 'right-pw')).toBe(
        `cannot read topic payments at ${broker.bootstrap}: there is no such topic`,
      )
    })

    it('says that the password is wrong, and does not show it', async () => {
      const message = await outcome({ ca, server_name: 'localhost' }, 'wrong-pw')
      expect(message).toMatch(/^cannot read brokers .*: SASL PLAIN authentication failed/)
      expect(message).not.toContain('wrong-pw')
    })

    it('says that a certificate is not trusted', async () => {
      expect(await outcome({ server_name: 'localhost' }, 'right-pw')).toMatch(
        /^cannot read brokers .*: self-signed certificate/,
      )
    })
  },
)

/** A certificate that signs itself; beside it, with its key, as a broker wants it. */
function makeCertificate(folder: string): string {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'ca.pem')]
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
  ])
  if (made.status !== 0) throw new Error(String(made.stderr))
  const text = readFileSync(certificate, 'utf8')
  writeFileSync(join(folder, 'keystore.pem'), `${readFileSync(key, 'utf8')}${text}`)
  return text
}

async function startSecureBroker(folder: string): Promise<KafkaBroker> {
  const [port, controller] = [await freePort(), await freePort()]
  const listener = `SASL_SSL://127.0.0.1:${port}`
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
  const users = 'username="admin" password="admin" user_admin="admin" user_tocsin="right-pw"'
  return await KafkaBroker.start({
    directory: join(folder, 'broker'),
    distribution: ownKafka(),
    port,
    properties: {
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `${listener},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': listener,
      'listener.security.protocol.map': 'SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'SASL_SSL',
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': `${login} ${users};`,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': join(folder, 'keystore.pem'),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': join(folder, 'ca.pem'),
      'ssl.endpoint.identification.algorithm': '',
    },
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}
