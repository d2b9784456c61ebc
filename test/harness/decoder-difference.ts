import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { createPlainDecoder } from '../../src/decode/plain-decoder.ts'
import { type Column, type ColumnBatch, ValueKind } from '../../src/stream/column-batch.ts'
import { KeyEncoder } from '../../src/stream/key.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'
import { generatedPaths, RecordGenerator } from './record-generator.ts'

/** What a fuzz run saw; `difference` names the first record on which the decoders differ. */
export interface FuzzResult {
  readonly records: number
  readonly valid: number
  readonly difference: string | null
}

/** A batch of these records, with so many newlines after each. */
export function recordBatch(records: readonly (Buffer | string)[], newlines = 1): RecordBatch {
  const parts = records.map((record) => Buffer.from(record as string))
  const gap = Buffer.alloc(newlines, '\n')
  const starts = new Int32Array(parts.length)
  const ends = new Int32Array(parts.length)
  let at = 0
  for (const [row, part] of parts.entries()) {
    starts[row] = at
    ends[row] = at + part.length
    at += part.length + newlines
  }
  return {
    split: { stream: 'fuzz', partition: 0 },
    bytes: Buffer.concat(parts.flatMap((part) => [part, gap])),
    count: parts.length,
    starts,
    ends,
    offsets: Float64Array.from(parts.keys()),
  }
}

/** Decodes generated records both ways until they differ in anything that a column or key tells. */
export function fuzzDecoders(seed: number, records: number): FuzzResult {
  const generator = new RecordGenerator(seed)
  const plain = createPlainDecoder({ fields: generatedPaths })
  const scanner = createScannerDecoder({ fields: generatedPaths })
  let valid = 0
  for (let done = 0; done < records; ) {
    const size = Math.min(1 + generator.below(200), records - done)
    const batch = recordBatch(
      Array.from({ length: size }, () => generator.record()),
      generator.below(2),
    )
    const expected = decodedRows(plain.decode(batch))
    const actual = decodedRows(scanner.decode(batch))
    for (let row = 0; row < size; row++) {
      if (!Object.is(expected[row], actual[row])) {
        const bytes = batch.bytes.toString('latin1', batch.starts[row], batch.ends[row])
        const record = `record ${done + row}: ${JSON.stringify(bytes)} (one char a byte)`
        const difference = `${record}\nplain:   ${expected[row]}\nscanner: ${actual[row]}`
        return { records: done + row + 1, valid, difference }
      }
      if (expected[row]?.startsWith('valid')) valid++
    }
    done += size
  }
  return { records, valid, difference: null }
}

/** Decodes generated decimals by the scanner and compares the doubles with `Number`. */
export function fuzzDecimals(seed: number, decimals: number): FuzzResult {
  const generator = new RecordGenerator(seed)
  const scanner = createScannerDecoder({ fields: [['n']] })
  for (let done = 0; done < decimals; ) {
    const texts = Array.from({ length: Math.min(1_000, decimals - done) }, () =>
      generator.decimal(),
    )
    const { columns } = scanner.decode(recordBatch(texts.map((text) => `{"n":${text}}`)))
    for (const [row, text] of texts.entries()) {
      const number = columns[0]?.value(row)
      if (!Object.is(number, Number(text))) {
        return { records: done + row + 1, valid: 0, difference: `${text} became ${number}` }
      }
    }
    done += texts.length
  }
  return { records: decimals, valid: decimals, difference: null }
}

/** Everything that a decoder says of each row, as text: equal texts are equal answers. */
export function decodedRows(decoded: ColumnBatch): string[] {
  const reasons = new Map(decoded.rejected.map(({ row, reason }) => [row, reason]))
  const slots = decoded.columns.keys()
  const encoders = [...slots].map((slot) => new KeyEncoder([slot]))
  encoders.push(new KeyEncoder([1, 2]))
  for (const encoder of encoders) encoder.bind(decoded)
  return Array.from({ length: decoded.batch.count }, (_, row) => {
    const columns = decoded.columns.map((column) => describeValue(column, row))
    const keys = encoders.map((encoder) =>
      encoder.encode(row) ? `${encoder.text()}#${encoder.hash}` : encoder.failure,
    )
    const verdict = decoded.valid[row] === 1 ? 'valid' : `rejected (${reasons.get(row)})`
    return `${verdict} ${columns.join(' ')} keys ${JSON.stringify(keys)}`
  })
}

function describeValue(column: Column, row: number): string {
  const kind = column.kinds[row]
  if (kind === ValueKind.missing) return column.value(row) === undefined ? '-' : 'not missing'
  const value = column.value(row)
  const number = kind === ValueKind.number && Object.is(column.numbers[row], value)
  const shown = Object.is(value, -0) ? '-0' : (JSON.stringify(value) ?? 'undefined')
  const infinite = value === Infinity || value === -Infinity ? String(value) : ''
  const token = `${column.starts[row]}..${column.ends[row]}`
  return `${kind}@${token}=${shown}${infinite}${number ? 'n' : ''}`
}
