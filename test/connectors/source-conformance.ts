import { expect, it } from 'vitest'
import type { Source, SourcePosition, SourceReader } from '../../src/connector/source.ts'
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
  try {
    for (;;) {
      const polled = await reader.pollBatch()
      if (polled.kind === 'end') return batches
      if (polled.kind === 'batch') batches.push(polled.batch)
    }
  } finally {
    await reader.close()
  }
}

export async function readSource(source: Source): Promise<ReadRecord[]> {
  const readers = await source.open('payments')
  return (await Promise.all(readers.map(readAll))).flat()
}

/** Where a reader goes on after each of its batches, as a checkpoint would keep it. */
export async function readPositions(reader: SourceReader): Promise<SourcePosition[]> {
  const positions: SourcePosition[] = []
  for (;;) {
    const polled = await reader.pollBatch()
    if (polled.kind === 'end') break
    if (polled.kind !== 'batch') continue
    if (polled.next === undefined) throw new Error('a batch of a replayable source has no position')
    positions.push(JSON.parse(JSON.stringify(polled.next)))
  }
  await reader.close()
  return positions
}

/**
 * What every replayable source must keep besides: a reader goes on from each position with exactly
 * the records that stand behind it. `make` as for `sourceConformance`.
 */
export function replayConformance(make: () => Source | Promise<Source>): void {
  it('says that it is replayable', async () => {
    expect((await make()).replayable).toBe(true)
  })

  it('goes on from every position with exactly the same records', async () => {
    const readers = await (await make()).open('payments')
    const records = await Promise.all(readers.map(readAll))
    const positions = await Promise.all(
      (await (await make()).open('payments')).map((reader) => readPositions(reader)),
    )
    const snapshots = Math.max(...positions.map(({ length }) => length))
    expect(snapshots).toBeGreaterThan(1)
    for (let snapshot = 0; snapshot < snapshots; snapshot++) {
      const at = new Map<number, SourcePosition>()
      positions.forEach((each, partition) => {
        const position = each[Math.min(snapshot, each.length - 1)]
        if (position !== undefined) at.set(partition, position)
      })
      const resumed = await (await make()).open('payments', at)
      expect(await Promise.all(resumed.map(readAll))).toEqual(
        records.map((each, partition) =>
          each.filter(({ offset }) => offset >= (at.get(partition)?.offset ?? 0)),
        ),
      )
    }
  })

  it('gives the same last position however often it goes on', async () => {
    const lastOf = async (at?: ReadonlyMap<number, SourcePosition>) => {
      const readers = await (await make()).open('payments', at)
      return await Promise.all(readers.map(readPositions))
    }
    const whole = await lastOf()
    const firsts = new Map(whole.map(([first], partition) => [partition, first!]))
    const ends = (positions: SourcePosition[][]) => positions.map((each) => each.at(-1))
    expect(ends(await lastOf(firsts))).toEqual(ends(whole))
  })

  it('starts a partition anew for which there is no position', async () => {
    const records = await readSource(await make())
    const readers = await (await make()).open('payments', new Map())
    expect((await Promise.all(readers.map(readAll))).flat()).toEqual(records)
  })
}

/** What every source must keep. `make` gives a fresh source over the same, several batches' input. */
export function sourceConformance(make: () => Source | Promise<Source>): void {
  it('numbers its splits from 0 and names their stream', async () => {
    const readers = await (await make()).open('payments')
    expect(readers.map(({ split: { stream, partition } }) => [stream, partition])).toEqual(
      readers.map((_, partition) => ['payments', partition]),
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
    const reader = await openFirst(await make())
    const seen: { readonly batch: RecordBatch; readonly text: string }[] = []
    for (;;) {
      const polled = await reader.pollBatch()
      if (polled.kind === 'end') break
      if (polled.kind !== 'batch') continue
      const { batch } = polled
      // What stands between records is nobody's: only the records are compared.
      seen.push({ batch, text: recordsOf(batch) })
    }
    await reader.close()
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.map(({ batch }) => recordsOf(batch))).toEqual(seen.map(({ text }) => text))
  })

  it('ends every record with a newline byte, and has eight bytes behind the last', async () => {
    for (const reader of await (await make()).open('payments')) {
      for (const { bytes, ends, count } of await readBatches(reader)) {
        expect([...ends].filter((end) => bytes[end] !== 0x0a)).toEqual([])
        const last = ends[count - 1]!
        expect(bytes.length).toBeGreaterThanOrEqual(last + 8)
      }
    }
  })

  it('stays at its end', async () => {
    const reader = await openFirst(await make())
    while ((await reader.pollBatch()).kind !== 'end');
    expect(await reader.pollBatch()).toEqual({ kind: 'end' })
    await reader.close()
  })

  it('can be closed in the middle', async () => {
    const reader = await openFirst(await make())
    await reader.pollBatch()
    await reader.close()
    expect(await reader.pollBatch()).toEqual({ kind: 'end' })
  })
}

async function openFirst(source: Source): Promise<SourceReader> {
  const [first, ...others] = await source.open('payments')
  await Promise.all(others.map((reader) => reader.close()))
  return first!
}

function recordsOf(batch: RecordBatch): string {
  return Array.from({ length: batch.count }, (_, row) =>
    batch.bytes.toString('latin1', batch.starts[row], batch.ends[row]),
  ).join('\n')
}
