import { expect, it } from 'vitest'
import type { Source, SourceReader } from '../../src/connector/source.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'

/** A record as a source gave it: where it is, and its text. */
export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly text: string
}

/** Everything that a reader gives, up to its end. */
export async function readAll(reader: SourceReader): Promise<ReadRecord[]> {
  const batches = await readBatches(reader)
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, row) => ({
      partition: batch.split.partition,
      offset: batch.offsets[row]!,
      text: batch.bytes.toString('utf8', batch.starts[row], batch.ends[row]),
    })),
  )
}

export async function readBatches(reader: SourceReader): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  for (;;) {
    const polled = await reader.pollBatch()
    if (polled.kind === 'end') break
    if (polled.kind === 'batch') batches.push(polled.batch)
  }
  await reader.close()
  return batches
}

export async function readSource(source: Source): Promise<ReadRecord[]> {
  const readers = await source.open('payments')
  return (await Promise.all(readers.map(readAll))).flat()
}

/** What every source must keep. `make` gives a fresh source over the same, several batches' input. */
export function sourceConformance(make: () => Source | Promise<Source>): void {
  it('numbers its splits from 0 and names their stream', async () => {
    const readers = await (await make()).open('payments')
    expect(readers.map(({ split }) => split)).toEqual(
      readers.map((_, partition) => ({ stream: 'payments', partition })),
    )
    await Promise.all(readers.map((reader) => reader.close()))
  })

  it('gives the same records at the same positions every time', async () => {
    const first = await readSource(await make())
    expect(first.length).toBeGreaterThan(0)
    expect(await readSource(await make())).toEqual(first)
  })

  it('gives ascending offsets within a split', async () => {
    for (const reader of await (await make()).open('payments')) {
      const offsets = (await readAll(reader)).map(({ offset }) => offset)
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b))
    }
  })

  it('leaves every batch as it was when later ones are read', async () => {
    const [reader] = await (await make()).open('payments')
    const seen: { readonly batch: RecordBatch; readonly text: string }[] = []
    for (;;) {
      const polled = await reader!.pollBatch()
      if (polled.kind === 'end') break
      if (polled.kind !== 'batch') continue
      const { batch } = polled
      // What stands between records is nobody's: only the records are compared.
      seen.push({ batch, text: recordsOf(batch) })
    }
    await reader!.close()
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.map(({ batch }) => recordsOf(batch))).toEqual(seen.map(({ text }) => text))
  })

  it('ends every record with a newline byte, and every batch with eight', async () => {
    for (const reader of await (await make()).open('payments')) {
      for (const { bytes, ends, count } of await readBatches(reader)) {
        expect([...ends].filter((end) => bytes[end] !== 0x0a)).toEqual([])
        const last = ends[count - 1]!
        expect([...bytes.subarray(last, last + 8)]).toEqual(Array(8).fill(0x0a))
      }
    }
  })

  it('stays at its end', async () => {
    const [reader] = await (await make()).open('payments')
    while ((await reader!.pollBatch()).kind !== 'end');
    expect(await reader!.pollBatch()).toEqual({ kind: 'end' })
    await reader!.close()
  })

  it('can be closed in the middle', async () => {
    const [reader] = await (await make()).open('payments')
    await reader!.pollBatch()
    await reader!.close()
    expect(await reader!.pollBatch()).toEqual({ kind: 'end' })
  })
}

function recordsOf(batch: RecordBatch): string {
  return Array.from({ length: batch.count }, (_, row) =>
    batch.bytes.toString('latin1', batch.starts[row], batch.ends[row]),
  ).join('\n')
}
