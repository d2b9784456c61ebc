import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mqttConnector } from '../../connectors/mqtt/connector.ts'
import { parseTopicFilter } from '../../connectors/mqtt/topic-filter.ts'
import { parseTopicTemplate } from '../../connectors/mqtt/topic-template.ts'

describe('a topic filter with names', () => {
  it.each([
    ['a/b', 'a/b', 'a/b', {}],
    ['a/+', 'a/+', 'a/b', {}],
    ['site/+site/device/+device', 'site/+/device/+', 'site/x/device/y', { site: 'x', device: 'y' }],
    ['a/#rest', 'a/#', 'a/b/c', { rest: 'b/c' }],
    ['a/#rest', 'a/#', 'a', { rest: '' }],
    ['#all', '#', 'a//b', { all: 'a//b' }],
    ['+x/+y', '+/+', '/', { x: '', y: '' }],
    ['$share/g/a/+x', '$share/g/a/+', 'a/b', { x: 'b' }],
    ['$SYS/+x', '$SYS/+', '$SYS/uptime', { x: 'uptime' }],
  ])('%s subscribes %s and reads %s', (text, subscription, topic, levels) => {
    const filter = parseTopicFilter(text)
    expect([filter.subscription, filter.levelsOf(topic)]).toEqual([subscription, levels])
  })

  it.each([
    ['a/+', 'a'],
    ['a/+', 'a/b/c'],
    ['a/b', 'a/c'],
    ['#', '$SYS/uptime'],
    ['+/uptime', '$SYS/uptime'],
    ['a/b/#', 'a'],
  ])('%s does not take %s', (text, topic) => {
    expect(parseTopicFilter(text).levelsOf(topic)).toBeUndefined()
  })

  it.each([
    ['a/b+/c', '`b+` is no level: expected text, `+`, `+name` or `#name`'],
    ['a/+1x', '`+1x` is no level: expected text, `+`, `+name` or `#name`'],
    ['a/#/b', '`#` takes the rest, so it is the last level'],
    ['+x/#x', 'the name x is given twice'],
    ['$share/g', 'a shared subscription is written `$share/GROUP/FILTER`'],
    ['$share/+/a', 'a shared subscription is written `$share/GROUP/FILTER`'],
  ])('%s is refused', (text, reason) => {
    expect(() => parseTopicFilter(text)).toThrow(`mqtt: topic \`${text}\`: ${reason}`)
  })
})

describe('a topic template', () => {
  it('fills each place with one level, whatever the value is', () => {
    const { topicOf } = parseTopicTemplate('x/{fields.v}/y')
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()), (v) => {
        const topic = topicOf({ fields: { v } })
        const [first, level, last, ...more] = topic.split('/')
        expect([first, last, more, level === '']).toEqual(['x', 'y', [], false])
        expect(/[+#$\p{Control}\p{Noncharacter_Code_Point}\p{Surrogate}]/u.test(topic)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  it('finds names with dots in them, and nothing that an object inherits', () => {
    const { topicOf } = parseTopicTemplate('{by.meta.id}/{by.constructor}/{id}')
    expect(topicOf({ id: 'a%b\ud800', by: { 'meta.id': 3 } })).toBe('3/_/a%25b%EF%BF%BD')
  })

  it.each([
    ['a/{}', '`{}` names no field: expected one such as `{rule}` or `{by.card}`'],
    ['a/{b c}', '`{b c}` names no field: expected one such as `{rule}` or `{by.card}`'],
    ['a/+/{rule}', 'nothing can be published to the wildcards `+` and `#`'],
    ['a/{rule', 'a brace has no other one'],
    ['$SYS/{rule}', "topics that begin with `$` are the broker's own"],
  ])('%s is refused', (text, reason) => {
    expect(() => parseTopicTemplate(text)).toThrow(`mqtt: topic \`${text}\`: ${reason}`)
  })
})

describe('options of MQTT', () => {
  const source = (more: object) => () =>
    mqttConnector.source!.create({ url: 'mqtt://h', topic: 'a', ...more }, { directory: '/' })

  it.each([
    [{ tls: { cert: 'x' }, url: 'mqtts://h' }, 'tls.cert and tls.key go together: give both'],
    [{ tls: { ca: 'x' } }, 'tls needs a url of mqtts:// or wss://'],
    [{ password: 'x' }, 'a password needs a username'],
    [{ message_id: {} }, 'message_id needs either `field` or `user_property`'],
    [
      { message_id: { field: 'a', user_property: 'b' } },
      'message_id needs either `field` or `user_property`',
    ],
    [
      { message_id: { user_property: 'b' }, version: '3.1.1' },
      'message_id.user_property needs version 5',
    ],
    [{ receive_maximum: 5, version: '3.1.1' }, 'receive_maximum needs version 5'],
    [
      { session_expiry: '1500ms' },
      'session_expiry: expected whole seconds, at most 4294967294s, got 1500ms',
    ],
    [
      { fields: { payload: 'v' } },
      'fields.payload needs `format: text`: the fields of JSON stand for themselves',
    ],
  ])('%j are refused', (options, reason) => {
    expect(source(options)).toThrow(`mqtt: ${reason}`)
  })
})
