// Records a second that an ingest log makes durable on this disk, and reads back.
// `npm run build && node dist/bench/measure-ingest-log.js [FOLDER]`: a new folder is made in FOLDER
// (default: the current one) and removed at the end.
import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { nodeFileSystem } from '../connectors/node-file-system.ts'
import type { IngestRecords } from '../src/checkpoint/ingest-frame.ts'
import { openIngestLog } from '../src/checkpoint/ingest-log.ts'

const record = Buffer.from(
  JSON.stringify({ ts: 1767225600000, card: 'c123456', amount: 12.5, pad: 'x'.repeat(140) }),
)
const scheduler = {
  sleep: (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds)),
}
const folder = resolve(process.argv[2] ?? '.')

process.stdout.write(`records of ${record.length} bytes in ${folder}\n`)
await measure('1 record, one append at a time', 1, 1, 300)
await measure('1 record, 200 appends outstanding', 1, 200, 40_000)
await measure('1 record, 2,000 appends outstanding', 1, 2000, 300_000)
await measure('1,200 records, one append at a time', 1200, 1, 400_000)
await measure('1,200 records, 16 appends outstanding', 1200, 16, 2_000_000)

async function measure(name: string, size: number, outstanding: number, total: number) {
  const directory = mkdtempSync(join(folder, 'ingest-log-'))
  const log = await openIngestLog({ files: nodeFileSystem, directory, scheduler })
  const records = recordsOf(size)
  const waits: number[] = []
  let appended = 0
  const lane = async () => {
    while (appended < total) {
      appended += size
      const from = performance.now()
      await log.append(records)
      waits.push(performance.now() - from)
    }
  }
  const writingMs = await timed(async () => {
    await Promise.all(Array.from({ length: outstanding }, lane))
  })
  const readingMs = await timed(async () => {
    const reader = log.read(0)
    while ((await reader.next()) !== undefined);
  })
  await log.close()
  rmSync(directory, { recursive: true })
  waits.sort((a, b) => a - b)
  const wait = (share: number) => waits[Math.floor(waits.length * share)]?.toFixed(1)
  const rate = (milliseconds: number) => Math.round((appended / milliseconds) * 1000)
  process.stdout.write(
    `${name}: ${rate(writingMs)}/s, durable after ${wait(0.5)} ms (p99 ${wait(0.99)}), ` +
      `read back ${rate(readingMs)}/s\n`,
  )
}

async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

function recordsOf(count: number): IngestRecords {
  const each = record.length + 1
  const bytes = Buffer.alloc(count * each, '\n')
  for (let row = 0; row < count; row++) record.copy(bytes, row * each)
  const starts = Int32Array.from({ length: count }, (_, row) => row * each)
  const ends = starts.map((start) => start + record.length)
  return { bytes, count, starts, ends, ingestTimes: new Float64Array(count) }
}
