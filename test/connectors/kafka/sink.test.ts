import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { connectors } from '../../../connectors/registry.ts'
import { folderWith, tocsin } from '../../app/command-line.ts'
import { consoleConsume, createTopic } from '../../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../../harness/shared-kafka.ts'

let bootstrap: string

function makeSink(topic: string) {
  return connectors.get('kafka')!.sink!.create({ brokers: [bootstrap], topic }, { directory: '' })
}

describe.skipIf(!hasOwnKafka)('a Kafka sink that sends at once', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    bootstrap = await sharedKafka()
  }, 120_000)

  it('sends what the topic takes, and says which alerts it does not', async () => {
    const topic = uniqueName('alerts')
    await createTopic(bootstrap, topic, 2, { 'max.message.bytes': '3000' })
    const sink = makeSink(topic)
    await sink.open()
    const large = JSON.stringify({ by: { card: 'a' }, text: 'x'.repeat(5000) })
    const written = sink.write(['{"by":{"card":"a"}}', large, '{"by":{}}'], ['1', '2', '3'])
    const failure = await written.catch((error) => error)
    expect([failure.retryable, [...failure.failures.keys()]]).toEqual([false, [1]])
    expect(failure.failures.get(1).message).toMatch(/^the alert takes 5\d{3} bytes, and the topic/)
    await sink.write(['{"by":{"card":"b"}}'], ['4'])
    await sink.close()
    const seen = await consoleConsume(ownKafka(), bootstrap, topic)
    expect(seen.map(({ headers, key }) => [headers, key]).sort()).toEqual([
      ['id:1', 'a'],
      ['id:3', null],
      ['id:4', 'b'],
    ])
  })

  it('tries its connection without sending, and says what is missing', async () => {
    const topic = uniqueName('alerts')
    await expect(makeSink(topic).checkConnection!()).rejects.toMatchObject({
      retryable: false,
      message: `there is no topic ${topic}; create it, or correct \`topic\``,
    })
    await createTopic(bootstrap, topic)
    await makeSink(topic).checkConnection!()
    expect(await consoleConsume(ownKafka(), bootstrap, topic)).toEqual([])
  })

  it('is tried by `tocsin check --connect`, exactly once or not, as is a source', async () => {
    const [topic, missing] = [uniqueName('alerts'), uniqueName('missing')]
    await createTopic(bootstrap, topic)
    const kafka = (name: string) => `kafka: { brokers: ["${bootstrap}"], topic: ${name} }`
    const folder = folderWith({
      'tocsin.yaml':
        `streams: { here: { source: { ${kafka(topic)} }, time: { field: ts } }, gone: { source: { ${kafka(missing)} }, time: { field: ts } } }\n` +
        `sinks: { once: { ${kafka(topic)} }, now: { ${kafka(topic)}, delivery: immediate }, lost: { ${kafka(missing)} } }\n` +
        'state: { backend: rocksdb }\n',
    })
    const { code, err } = await tocsin('check', '--connect', join(folder, 'tocsin.yaml'))
    const lines = err.split('\n').filter((line) => /^(?:stream|sink) /.test(line))
    expect([code, lines.sort()]).toEqual([
      3,
      [
        expect.stringMatching(/^sink lost: failed: there is no topic missing-/),
        'sink now: connected',
        'sink once: connected',
        expect.stringMatching(/^stream gone: failed: .*there is no such topic/),
        'stream here: connected, 1 partition(s)',
      ],
    ])
    expect(await consoleConsume(ownKafka(), bootstrap, topic)).toEqual([])
  })
})
