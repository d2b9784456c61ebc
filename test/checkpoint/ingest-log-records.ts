import type { IngestRecords } from '../../src/checkpoint/ingest-frame.ts'
import {
  type IngestLog,
  type IngestLogOptions,
  openIngestLog,
} from '../../src/checkpoint/ingest-log.ts'
import type { FileSystem } from '../../src/connector/file-system.ts'
import { watchedFiles } from '../harness/watched-files.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'

/** Where the log of a test is. */
export const directory = '/data/log'
const scheduler = { sleep: async () => {} }

/** Files of a simulated machine, watched. */
export const simulatedFiles = async () => watchedFiles((await machineWithFolder()).files)

export function openLog(
  files: FileSystem,
  more: Partial<IngestLogOptions> = {},
): Promise<IngestLog> {
  return openIngestLog({ files, directory, scheduler, ...more })
}

/** Records that stand in a buffer as a source gives them: something between them, none at 0. */
export function recordsOf(texts: readonly string[], ingestTime = 1000): IngestRecords {
  const starts: number[] = []
  const ends: number[] = []
  let bytes = Buffer.from('#')
  for (const text of texts) {
    starts.push(bytes.length)
    bytes = Buffer.concat([bytes, Buffer.from(text)])
    ends.push(bytes.length)
    bytes = Buffer.concat([bytes, Buffer.from('\r\n')])
  }
  return {
    bytes,
    count: texts.length,
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
    ingestTimes: Float64Array.from(texts, (_, row) => ingestTime + row),
  }
}

/** Everything from a record on: ordinal, text, time of ingest. */
export async function contentOf(log: IngestLog, from = log.first) {
  const content: [number, string, number][] = []
  const reader = log.read(from)
  for (;;) {
    const records = await reader.next()
    if (records === undefined) return content
    const { bytes, count, starts, ends, ingestTimes, first } = records
    for (let row = 0; row < count; row++) {
      const text = bytes.toString('utf8', starts[row], ends[row])
      content.push([first + row, text, ingestTimes[row]!])
    }
  }
}

/** The same, texts alone. */
export const textsOf = async (log: IngestLog, from?: number) =>
  (await contentOf(log, from)).map(([, text]) => text)
