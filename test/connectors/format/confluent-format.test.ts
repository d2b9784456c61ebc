import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { avroOptions } from '../../../connectors/format/avro-options.ts'
import { ConfluentFormat } from '../../../connectors/format/confluent-format.ts'
import { formatOf } from '../../../connectors/format/format-options.ts'
import { readSome, writeRecords } from '../../harness/kafka-records.ts'
import { kafkaSourceTest, textsOf } from '../../harness/kafka-source-test.ts'
import { SchemaRegistryServer } from '../../harness/schema-registry.ts'
import { hasKafka } from '../../harness/shared-kafka.ts'

const server = new SchemaRegistryServer()
let writer: SchemaRegistry
beforeAll(async () => {
  await server.start()
  writer = new SchemaRegistry({ host: server.url }, { [SchemaType.AVRO]: avroOptions })
})
afterAll(() => server.stop())

const payment = {
  type: 'record',
  name: 'Payment',
  namespace: 'test',
  fields: [
    { name: 'card', type: 'string' },
    { name: 'id', type: 'long' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    {
      name: 'amount',
      type: { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 2 },
    },
    { name: 'limit', type: ['null', 'long'], default: null },
    { name: 'either', type: ['int', 'double', 'string'] },
    { name: 'rate', type: 'double' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['POS', 'WEB'] } },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 2 } },
    { name: 'tags', type: { type: 'map', values: 'long' } },
    { name: 'lines', type: { type: 'array', items: 'boolean' } },
  ],
} as const

const value = {
  card: 'c"1',
  id: 9_007_199_254_740_993n,
  at: 1_700_000_000_123_456,
  day: 19_000,
  amount: Buffer.from([0xff, 0x00, 0x01]),
  limit: -9_223_372_036_854_775_808n,
  either: { int: 7 },
  rate: Number.NaN,
  kind: 'WEB',
  hash: Buffer.from([0x41, 0xff]),
  tags: { a: 1, b: 9_007_199_254_740_995n },
  lines: [true, false],
}

const text =
  '{"card":"c\\"1","id":9007199254740993,"at":1700000000123456,"day":19000,"amount":-655.35,' +
  '"limit":-9223372036854775808,"either":7,"rate":"NaN","kind":"WEB","hash":"A\u00ff",' +
  '"tags":{"a":1,"b":9007199254740995},"lines":[true,false]}'

async function avroRecord(): Promise<Buffer> {
  const { id } = await writer.register(
    { type: SchemaType.AVRO, schema: JSON.stringify(payment) },
    { subject: 'payments-value' },
  )
  return await writer.encode(id, value)
}

/** What a fresh format makes of a record, once it has what it needs. */
async function decoded(record: Buffer, format = new ConfluentFormat({ url: server.url })) {
  await format.prepare(record)
  const result = format.decode(record)
  return result.kind === 'record' ? result.bytes.toString('utf8') : result.reason
}

function framed(id: number, payload: string): Buffer {
  const header = Buffer.alloc(5)
  header.writeInt32BE(id, 1)
  return Buffer.concat([header, Buffer.from(payload)])
}

describe('the confluent format', () => {
  beforeEach(() => {
    server.asked.length = 0
    server.authorization = undefined
  })

  it('makes JSON of Avro, with all digits of its numbers', async () => {
    expect(await decoded(await avroRecord())).toBe(text)
  })

  it('asks for a schema once, however many records wait for it', async () => {
    const record = await avroRecord()
    server.asked.length = 0
    const format = new ConfluentFormat({ url: `${server.url}/` })
    const waiting = [format.prepare(record), format.prepare(record)]
    expect(waiting[0]).toBe(waiting[1])
    await waiting[0]
    expect(format.prepare(record)).toBeNull()
    expect(server.asked).toHaveLength(1)
  })

  it('reads versions of a schema side by side', async () => {
    const format = new ConfluentFormat({ url: server.url })
    const versions = ['int', 'string'].map((type) => ({
      ...payment,
      fields: [{ name: 'card', type }],
    }))
    const texts: string[] = []
    for (const [version, schema] of versions.entries()) {
      const { id } = await writer.register(
        { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
        { subject: 'versions-value' },
      )
      const record = await writer.encode(id, { card: version === 0 ? 1 : 'one' })
      texts.push(await decoded(record, format))
    }
    expect(texts).toEqual(['{"card":1}', '{"card":"one"}'])
  })

  it('leaves JSON as it was written, and checks it by its schema', async () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
    const { id } = await writer.register(
      { type: SchemaType.JSON, schema: JSON.stringify(schema) },
      { subject: 'json-value' },
    )
    expect(await decoded(framed(id, '{ "n": 12345678901234567890 }'))).toBe(
      '{ "n": 12345678901234567890 }',
    )
    expect(await decoded(framed(id, '{"n":"x"}'))).toBe(
      `it is not as schema ${id} has it: invalid payload at /n`,
    )
    expect(await decoded(framed(id, '{"n":'))).toMatch(/^it is not as schema \d+ has it: .*JSON/)
  })

  it('says of what it cannot read why not', async () => {
    const proto = {
      type: SchemaType.PROTOBUF,
      schema: 'syntax = "proto3"; message A { int32 b = 1; }',
    }
    const { id } = await writer.register(proto as never, { subject: 'proto-value' })
    const record = await avroRecord()
    const noSchema = framed(99_999, 'x')
    expect(await decoded(framed(id, 'x'))).toBe(
      `schema ${id} is PROTOBUF, and only Avro and JSON Schema can be read`,
    )
    expect(await decoded(noSchema)).toBe('the registry has no schema 99999')
    expect(await decoded(Buffer.from('{"n":1}'))).toBe(
      'it does not begin with the number of a schema, as format confluent has it',
    )
    expect(await decoded(record.subarray(0, 20))).toMatch(/^it is not as schema \d+ has it: /)
  })

  it('names itself to a registry that asks for it', async () => {
    const record = await avroRecord()
    server.authorization = `Basic ${Buffer.from('tocsin:secret').toString('base64')}`
    const known = new ConfluentFormat({ url: server.url, username: 'tocsin', password: 'secret' })
    const unknown = new ConfluentFormat({ url: server.url, username: 'tocsin', password: 'wrong' })
    expect(await decoded(record, known)).toBe(text)
    await expect(unknown.prepare(record)).rejects.toThrow(
      `schema registry ${server.url}: tocsin - Unauthorized`,
    )
  })

  it.each([
    [{ format: 'confluent' }],
    [{ format: 'json', schema_registry: { url: 'http://a' } }],
    [{ schema_registry: { url: 'http://a' } }],
  ])('goes with a registry: %j is refused', (options) => {
    expect(() => formatOf(options)).toThrow('format: confluent and schema_registry go together')
  })
})

const kafka = kafkaSourceTest()

describe.skipIf(!hasKafka)('Kafka records in the confluent format', () => {
  it('wait while the registry is away, which is told, and come when it is back', async () => {
    const record = await avroRecord()
    const topic = await kafka.topicWith([{ value: record }, { value: Buffer.from('plain') }])
    await server.stop()
    const createFormat = () => new ConfluentFormat({ url: server.url })
    const readers = await kafka.open([topic], { createFormat })
    let problem: string | undefined
    while (problem === undefined) {
      const result = await readers[0]!.pollBatch()
      expect(result).toMatchObject({ kind: 'idle', backlog: true })
      if (result.kind === 'idle') problem = result.problem
    }
    expect(problem).toContain(`schema registry ${server.url}: `)
    await server.start()
    const records = await readSome(readers, 2)
    expect(textsOf(records)).toEqual([text, 'plain'])
    expect(records[1]?.fault?.cause).toBe('format')
    await writeRecords(kafka.bootstrap, topic, [{ value: record }])
    expect(textsOf(await readSome(readers, 1))).toEqual([text])
  })
})
