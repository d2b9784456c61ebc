import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../app/config.ts'

/** What is wrong with a configuration whose stream reads Kafka so. */
function problemsOf(kafka: string): string[] {
  const text = `streams: { payments: { source: { kafka: ${kafka} }, time: { field: ts } } }\n`
  const environment = { SECRET: 'hunter22' }
  const result = parseConfig('tocsin.yaml', text, { environment, readFile: () => '' })
  return result.kind === 'valid' ? [] : result.problems.map(({ message }) => message)
}

const basic = 'brokers: [a:9092], topic: payments'

describe('a Kafka source in a configuration', () => {
  it.each([
    '{ brokers: ["a:9092", "b:9093"], topic: [payments, refunds], start: latest }',
    `{ ${basic}, start: { timestamp: 2026-11-01T00:00:00Z }, isolation: read_uncommitted }`,
    `{ ${basic}, start: { offsets: { payments: { 0: 12 } } }, group: lag }`,
    `{ ${basic}, tls: {}, sasl: { mechanism: plain, username: u, password: "\${SECRET}" } }`,
    `{ ${basic}, format: confluent, schema_registry: { url: "http://r:8081" } }`,
    `{ ${basic}, fields: { key: k, headers: h } }`,
  ])('may be %s', (kafka) => {
    expect(problemsOf(kafka)).toEqual([])
  })

  it.each([
    ['{ topic: payments }', /^`brokers` is missing/],
    ['{ brokers: [a], topic: payments }', /expected `host:port`/],
    [`{ ${basic}, start: soon }`, /expected `earliest`, `latest`, .* got `soon`/],
    [`{ ${basic}, start: { timestamp: soon } }`, /start.timestamp is not a time: soon/],
    [`{ ${basic}, start: { offsets: { other: { 0: 1 } } } }`, /the topic other, which is not read/],
    [`{ ${basic}, format: confluent }`, /format: confluent and schema_registry go together/],
    [`{ ${basic}, fields: { value: v } }`, /`value` is not known here/],
  ])('may not be %s', (kafka, message) => {
    expect(problemsOf(kafka)).toEqual([expect.stringMatching(message)])
  })

  it('shows no secret, not even one of a wrong type', () => {
    const sasl = 'sasl: { mechanism: plain, username: u, password: 12345678 }'
    expect(problemsOf(`{ ${basic}, ${sasl} }`)).toEqual([
      'expected a text; what is there is not shown',
    ])
  })
})

describe('a Kafka sink that does not say where its brokers are', () => {
  const stream = (name: string, kafka: string) =>
    `${name}: { source: { kafka: { topic: t, ${kafka} } }, time: { field: ts } }`
  const problems = (streams: readonly string[], sink: string) => {
    const text = `streams: { ${streams.join(', ')} }\nsinks: { alerts: { kafka: { ${sink} } } }\n`
    const result = parseConfig('tocsin.yaml', text)
    return result.kind === 'valid' ? [] : result.problems.map(({ message }) => message)
  }
  const one = stream('a', 'brokers: ["k:1"], client_id: c')

  it('writes to those that are read from', () => {
    expect(problems([one, stream('b', 'client_id: c, brokers: ["k:1"]')], 'topic: x')).toEqual([])
    expect(problems([stream('a', 'brokers: ["k:1"], tls: {}')], 'topic: x, tls: {}')).toEqual([])
  })

  it('has to say it where several are, or none', () => {
    const two = [one, stream('b', 'brokers: ["k:2"], client_id: c')]
    expect(problems(two, 'topic: x')).toEqual([
      '`brokers` is missing, and streams read from several, or in several ways',
    ])
    expect(problems(two, 'topic: x, brokers: ["k:2"]')).toEqual([])
    expect(problems(['a: { source: { stdin: {} }, time: { field: ts } }'], 'topic: x')).toEqual([
      '`brokers` is missing, and no stream reads from kafka that it could be taken from',
    ])
  })

  it('says nothing where the source does not say it either', () => {
    expect(problems([stream('a', 'client_id: c')], 'topic: x')).toEqual([
      expect.stringMatching(/^`brokers` is missing: Addresses/),
    ])
  })
})
