import { expect, it } from 'vitest'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { createPlainDecoder } from '../../src/decode/plain-decoder.ts'
import {
  decodedRows,
  fuzzDecimals,
  fuzzDecoders,
  recordBatch,
} from '../harness/decoder-difference.ts'

it('equals the plain decoder on generated and mutated records', () => {
  const result = fuzzDecoders(1, 20_000)
  expect(result.difference).toBeNull()
  // A generator that made only one sort would prove little.
  expect(result.valid).toBeGreaterThan(8_000)
  expect(result.valid).toBeLessThan(16_000)
})

it('gives the nearest double for decimals of many digits', () => {
  expect(fuzzDecimals(1, 100_000)).toEqual({ records: 100_000, valid: 100_000, difference: null })
})

it('equals the plain decoder while it learns, forgets and learns layouts again', () => {
  const fields = [['a'], ['k7'], ['b', 'c']]
  const scanner = createScannerDecoder({ fields })
  const plain = createPlainDecoder({ fields })
  const tail = ['"a":1', '"b":{"c":"x"}', '"a":"last"', '"z":[true]', '"b":{"c":2}']
  for (let round = 0; round < 12; round++) {
    const records = Array.from({ length: 1_000 }, (_, i) => {
      const turned = tail.map((_, j) => tail[(i * 3 + j * ((i % 4) + 1) + round) % tail.length])
      return `{"k${i % 50}":${i}, ${turned.join(i % 3 === 0 ? ', ' : ',')}}`
    })
    const batch = recordBatch(records)
    expect(decodedRows(scanner.decode(batch))).toEqual(decodedRows(plain.decode(batch)))
  }
})

it('equals the plain decoder on every small damage to a record whose layout it knows', () => {
  const fields = [['a'], ['b', 'c'], ['s']]
  const scanner = createScannerDecoder({ fields })
  const plain = createPlainDecoder({ fields })
  const known = '{"a":1.5,"b":{"c":[null]}, "s":"x\\n","z":true}'
  const damaged = Array.from({ length: known.length + 1 }, (_, at) => {
    const [before, after] = [known.slice(0, at), known.slice(at)]
    const inserted = [...'{}[],:" \\0e.-t'].map((char) => before + char + after)
    const moved = known.slice(at, at + 7) + before + known.slice(at + 7)
    return [before, after, before + after.slice(1), moved, `{${after}`, `${before}}`, ...inserted]
  }).flat()
  for (const newlines of [0, 1]) {
    const batch = recordBatch(
      damaged.flatMap((record) => [known, record]),
      newlines,
    )
    expect(decodedRows(scanner.decode(batch))).toEqual(decodedRows(plain.decode(batch)))
  }
})

it('reads a member as unwanted or wanted by its own place, though the bytes are the same', () => {
  const scanner = createScannerDecoder({ fields: [['a', 'b']] })
  const records = ['{"a":{"b":1}}', '{"x":{"b":2}}', '{"b":3,"a":{"b":4}}', '{"a":{"a":{"b":5}}}']
  const { columns } = scanner.decode(recordBatch([...records, ...records]))
  const values = [0, 1, 2, 3, 4, 5, 6, 7].map((row) => columns[0]?.value(row))
  expect(values).toEqual([1, undefined, 4, undefined, 1, undefined, 4, undefined])
})

it('gives equal short strings as they were cached, and never another field value', () => {
  const { columns } = createScannerDecoder({ fields: [['a']] }).decode(
    recordBatch(Array.from({ length: 5_000 }, (_, i) => `{"a":"c${i % 2_500}"}`)),
  )
  const values = Array.from({ length: 5_000 }, (_, row) => columns[0]?.value(row))
  expect(values).toEqual(Array.from({ length: 5_000 }, (_, i) => `c${i % 2_500}`))
})

it('shares one column between equal paths', () => {
  const { columns } = createScannerDecoder({ fields: [['a'], ['b'], ['a']] }).decode(
    recordBatch(['{"a":1,"b":2}']),
  )
  expect(columns.map((column) => column.value(0))).toEqual([1, 2, 1])
})
