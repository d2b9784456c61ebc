import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendFields, encodeFields } from '../../connectors/record-fields.ts'

const fields = { site: 'a"b\\', depth: 2, retained: undefined, path: ['x', 'ü'] }

function appended(record: string): string {
  const result = appendFields(Buffer.from(record), encodeFields(fields))
  return result.kind === 'record' ? result.bytes.toString() : result.reason
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

describe('fields that are appended to a record', () => {
  it('stand last, whatever the white space around them', () => {
    expect(['{"a":1}', ' {\n}\r\n', '{ "a" : {} }\t', '{"site":"forged"}'].map(appended)).toEqual([
      '{"a":1,"site":"a\\"b\\\\","depth":2,"path":["x","ü"]}',
      ' {\n"site":"a\\"b\\\\","depth":2,"path":["x","ü"]}',
      '{ "a" : {} ,"site":"a\\"b\\\\","depth":2,"path":["x","ü"]}',
      '{"site":"forged","site":"a\\"b\\\\","depth":2,"path":["x","ü"]}',
    ])
  })

  it('leave a record alone where there are none', () => {
    const record = Buffer.from('{"a":1}')
    expect(appendFields(record, encodeFields({ none: undefined }))).toEqual({
      kind: 'record',
      bytes: record,
    })
  })

  it('are refused by what is no object, with the reason', () => {
    expect(['', ' \n', '[{}]', '"{}"', '12', '{', '{"a":1', '}'].map(appended)).toEqual([
      'expected a JSON object, got nothing',
      'expected a JSON object, got nothing',
      'expected a JSON object, got an array',
      'expected a JSON object, got a string',
      'expected a JSON object, got something else',
      'expected a JSON object, got one that is cut short',
      'expected a JSON object, got one that is cut short',
      'expected a JSON object, got something else',
    ])
  })

  it('give what a spread gives for every object', () => {
    const value = fc.dictionary(fc.oneof(fc.string(), fc.constant('site')), fc.jsonValue())
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1), (object, indent) => {
        const result = parse(appended(JSON.stringify(object, null, indent)))
        expect(result).toEqual(JSON.parse(JSON.stringify({ ...object, ...fields })))
      }),
    )
  })

  it('never make a record whole that is broken', () => {
    const piece = fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', ' ', 'a', '"a"')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const record = pieces.join('')
        expect(isObject(parse(appended(record)))).toBe(isObject(parse(record)))
      }),
      { numRuns: 2000 },
    )
  })
})
