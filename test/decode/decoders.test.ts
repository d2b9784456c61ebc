import { describe, expect, it } from 'vitest'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { createPlainDecoder } from '../../src/decode/plain-decoder.ts'
import { type FieldPath, stringConstant, ValueKind } from '../../src/stream/column-batch.ts'
import { recordBatch } from '../harness/decoder-difference.ts'

/** Both decoders meet each expectation: their being equal is not enough. */
const decoders = [
  { name: 'plain decoder', create: createPlainDecoder },
  { name: 'scanner', create: createScannerDecoder },
]

describe.each(decoders)('$name', ({ create }) => {
  function values(fields: readonly FieldPath[], ...records: (Buffer | string)[]): unknown[][] {
    const decoded = create({ fields }).decode(recordBatch(records))
    return records.map((_, row) => decoded.columns.map((column) => column.value(row)))
  }

  /** For each record the reason of its rejection, or null. */
  function reasons(records: (Buffer | string)[], newlines = 1): (string | null)[] {
    const decoded = create({ fields: [['a']] }).decode(recordBatch(records, newlines))
    const byRow = new Map(decoded.rejected.map(({ row, reason }) => [row, reason]))
    expect(Array.from(decoded.valid.subarray(0, records.length), Boolean)).toEqual(
      records.map((_, row) => !byRow.has(row)),
    )
    return records.map((_, row) => byRow.get(row) ?? null)
  }

  it('fills kinds, numbers, tokens and values', () => {
    const texts = ['null', 'false', 'true', '-1.50', '"x y"', '"\\n"', '{"b": 1}', '[1, 2]']
    const records = ['{}', ...texts.map((text) => `{"a":${text}}`)]
    const batch = recordBatch(records)
    const column = create({ fields: [['a']] }).decode(batch).columns[0]!
    const rows = records.map((_, row) => ({
      kind: column.kinds[row],
      value: column.value(row),
      token:
        column.kinds[row] === ValueKind.missing
          ? null
          : batch.bytes.toString('latin1', column.starts[row], column.ends[row]),
    }))
    expect(rows).toEqual([
      { kind: ValueKind.missing, value: undefined, token: null },
      { kind: ValueKind.null, value: null, token: 'null' },
      { kind: ValueKind.false, value: false, token: 'false' },
      { kind: ValueKind.true, value: true, token: 'true' },
      { kind: ValueKind.number, value: -1.5, token: '-1.50' },
      { kind: ValueKind.string, value: 'x y', token: 'x y' },
      { kind: ValueKind.escapedString, value: '\n', token: '\\n' },
      { kind: ValueKind.object, value: { b: 1 }, token: '{"b": 1}' },
      { kind: ValueKind.array, value: [1, 2], token: '[1, 2]' },
    ])
    expect(column.numbers[4]).toBe(-1.5)
  })

  it('reads nested paths through objects, and not through arrays or strings', () => {
    const fields = [['a'], ['a', 'b'], ['a', 'length']]
    expect(
      values(fields, '{"a":{"b":{"c":1}}}', '{"a":[{"b":1}]}', '{"a":"xyz"}', '{"b":1}'),
    ).toEqual([
      [{ b: { c: 1 } }, { c: 1 }, undefined],
      [[{ b: 1 }], undefined, undefined],
      ['xyz', undefined, undefined],
      [undefined, undefined, undefined],
    ])
  })

  it('lets the last of equal names count, and a repeated parent forget its children', () => {
    expect(
      values(
        [['a'], ['a', 'b'], ['a', 'c']],
        '{"a":1,"a":"2"}',
        '{"a":{"b":1,"b":2}}',
        '{"a":{"b":1},"a":{"c":2}}',
        '{"a":{"b":1},"a":null}',
        '{"a":{"b":1},"\\u0061":3}',
      ),
    ).toEqual([
      ['2', undefined, undefined],
      [{ b: 2 }, 2, undefined],
      [{ c: 2 }, undefined, 2],
      [null, undefined, undefined],
      [3, undefined, undefined],
    ])
  })

  it('knows names by their decoded text', () => {
    expect(
      values(
        [['amount'], ['é'], ['\ufffd']],
        '{"am\\u006funt":1,"\\u00e9":2,"\\ufffd":3}',
        Buffer.from('{"é":4}'),
        Buffer.from('{"\xff":5}', 'latin1'),
      ),
    ).toEqual([
      [1, 2, 3],
      [undefined, 4, undefined],
      [undefined, undefined, 5],
    ])
  })

  it('treats names that objects inherit as ordinary names', () => {
    const fields = [['__proto__'], ['__proto__', 'a'], ['constructor'], ['toString', 'name'], ['']]
    expect(values(fields, '{"__proto__":{"a":1},"":2}', '{"constructor":3}')).toEqual([
      [{ a: 1 }, 1, undefined, undefined, 2],
      [undefined, undefined, 3, undefined, undefined],
    ])
  })

  it('folds bad UTF-8 and keeps lone surrogates, as decoded text does', () => {
    const bytes = (text: string) => Buffer.from(`{"a":"${text}"}`, 'latin1')
    expect(
      values([['a']], bytes('\xe2\x82'), bytes('\xed\xa0\x80'), '{"a":"\\ud800"}', '{"a":"é€"}'),
    ).toEqual([['\ufffd'], ['\ufffd\ufffd\ufffd'], ['\ud800'], ['é€']])
  })

  it('reads numbers as Number does, at the edges of the exact path', () => {
    const texts = [
      '0',
      '-0',
      '-0.0',
      '123456789.5',
      '999999999.999999',
      '2147483648',
      '999999999999999',
      '1234567890.12345',
      '9007199254740993',
      '0.1234567890123456',
      '81.40000000000001',
      '16893.51234567891234',
      '0.000000000000001',
      '1e23',
      '1E-7',
      '5e-324',
      '1e999',
      '-1e+999',
      '123456789012345678901234567890',
    ]
    const actual = values([['n']], ...texts.map((text) => `{"n":${text}}`))
    expect(actual.flat()).toEqual(texts.map(Number))
  })

  it('gives the whole record for the empty path', () => {
    const batch = recordBatch([' {"a": [1]} ', '{}', '[]'])
    const column = create({ fields: [[]] }).decode(batch).columns[0]!
    expect([0, 1, 2].map((row) => [column.kinds[row], column.value(row)])).toEqual([
      [ValueKind.object, { a: [1] }],
      [ValueKind.object, {}],
      [ValueKind.missing, undefined],
    ])
    expect([column.starts[0], column.ends[0]]).toEqual([0, 12])
  })

  it('says what is wrong with a record, and at which of its bytes', () => {
    const records = {
      '': 'unexpected end at byte 0',
      '[{}]': 'the record is JSON, but not an object',
      '12': 'the record is JSON, but not an object',
      '{"a":}': "unexpected '}' at byte 5",
      '{"a":01}': "unexpected '1' at byte 6",
      '{"a":1.}': "unexpected '}' at byte 7",
      '{"a":-}': "unexpected '}' at byte 6",
      '{"a":1e+}': "unexpected '}' at byte 8",
      '{"a":.5}': "unexpected '.' at byte 5",
      '{"a":"\t"}': 'unexpected 0x9 at byte 6',
      '{"a":"\\x"}': "unexpected 'x' at byte 7",
      '{"a":"\\u12g4"}': "unexpected 'g' at byte 10",
      '{"a":tru}': "unexpected '}' at byte 8",
      '{"a":1,}': "unexpected '}' at byte 7",
      '{,"a":1}': "unexpected ',' at byte 1",
      '{"a" 1}': "unexpected '1' at byte 5",
      '{a:1}': "unexpected 'a' at byte 1",
      '{"b":[1,]}': "unexpected ']' at byte 8",
      '{"b":{"c":1,}}': "unexpected '}' at byte 12",
      '{"a":1}}': "unexpected '}' at byte 7",
      '{"a":1} {}': "unexpected '{' at byte 8",
      '\ufeff{"a":1}': 'unexpected 0xef at byte 0',
      '{"a":1}\u00a0': 'unexpected 0xc2 at byte 7',
    }
    expect(reasons(Object.keys(records))).toEqual(Object.values(records))
  })

  it('refuses a record that only what follows it would complete', () => {
    const cut = ['{"a":"', '{"a":1', '{"a":', '{"a"', '{', '{"a":{"b":1', '{"a":tr', '{"a":"\\']
    for (const record of cut) {
      for (const next of ['"}', '}', '1}', ':1}', 'ue}', '"a":1}', ' ', '}}']) {
        expect(reasons([record, next, '{"a":1}'], 0)).toEqual([
          `unexpected end at byte ${record.length}`,
          expect.any(String),
          null,
        ])
      }
    }
  })

  it('leaves nothing of a refused record in the columns', () => {
    expect(values([['a'], ['b', 'c'], []], '{"a":1,"b":{"c":2},x}')).toEqual([
      [undefined, undefined, undefined],
    ])
  })

  it('allows white space of every kind, newlines too', () => {
    expect(values([['a'], ['b', 'c']], '\r\n{ "a"\t:\n1 , "b" : { "c" : [ ] } }\n ')).toEqual([
      [1, []],
    ])
  })

  it('refuses a record that is nested deeper than 1,000 levels', () => {
    const nested = (open: string, close: string, levels: number) =>
      `{"a":${open.repeat(levels - 1)}0${close.repeat(levels - 1)}}`
    const tooDeep = expect.stringContaining('more than 1000 levels of nesting at byte ')
    expect(
      reasons([
        nested('[', ']', 1_000),
        nested('[', ']', 1_001),
        nested('{"a":', '}', 1_000),
        nested('{"a":', '}', 1_001),
        nested('[', ']', 100_000),
        `{"x":${'['.repeat(1_000)}`,
      ]),
    ).toEqual([null, tooDeep, null, tooDeep, tooDeep, tooDeep])
  })

  it('keeps to that limit on a path that is wanted', () => {
    const path = new Array<string>(1_001).fill('a')
    const record = `${'{"a":'.repeat(1_001)}1${'}'.repeat(1_001)}`
    const { columns, valid } = create({ fields: [path, path.slice(1)] }).decode(
      recordBatch([record, record.slice(5, -1)]),
    )
    expect([valid[0], valid[1], columns[1]?.value(1)]).toEqual([0, 1, 1])
  })

  it('uses its columns again without mixing batches up', () => {
    const decoder = create({ fields: [['a']] })
    decoder.decode(recordBatch(['{"a":"one"}', '{"a":"two"}', '{"a":"three"}']))
    const { columns, valid } = decoder.decode(recordBatch(['{"b":1}', '{"a":"four"}', '{']))
    const seen = [0, 1, 2].map((row) => [valid[row], columns[0]?.value(row)])
    expect(seen).toEqual([
      [1, undefined],
      [1, 'four'],
      [0, undefined],
    ])
  })

  it('compares strings with constants by their text', () => {
    const records = [
      '{"a":"confirm"}',
      '{"a":"c\\u006fnfirm"}',
      '{"a":"confirms"}',
      '{"a":1}',
      '{}',
    ]
    const { columns } = create({ fields: [['a']] }).decode(
      recordBatch([...records, '{"a":"\u007f"}', '{"a":"é"}', '{"a":"\\u00e9"}']),
    )
    const rowsEqualTo = (text: string) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((row) => columns[0]?.isString(row, stringConstant(text)))
    expect(['confirm', '\u007f', 'é', '', '1'].map(rowsEqualTo)).toEqual([
      [0, 1],
      [5],
      [6, 7],
      [],
      [],
    ])
  })
})
