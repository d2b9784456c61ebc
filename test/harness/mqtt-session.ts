import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { mqttConnector } from '../../connectors/mqtt/connector.ts'
import { nodeFileSystem } from '../../connectors/node-file-system.ts'
import type { PollResult, Source, SourceReader } from '../../src/connector/source.ts'
import { ingestLogSource } from '../../src/runtime/ingest-log-source.ts'
import type { TestBroker } from './mqtt-broker.ts'

/** A record as a reader gave it. */
export interface TakenRecord {
  readonly offset: number
  readonly text: string
  readonly cause?: string
}

/** A source by options as a configuration has them. */
export function sourceOf(
  broker: Pick<TestBroker, 'kind' | 'url'>,
  options: Readonly<Record<string, unknown>>,
): Source {
  const version = broker.kind === 'aedes' ? { version: '3.1.1' } : {}
  const all = { url: broker.url, topic: 't/#', ...version, ...options }
  return mqttConnector.source!.create(all, { directory: '/', job: 'job' })
}

/** The same behind an ingest log in a folder of the machine. */
export function loggedSource(source: Source, directory: string): Source {
  const scheduler = {
    sleep: (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds)),
  }
  const clock = { now: () => Date.now() }
  // Small segments, so that receipts are carried from one to the next.
  const options = { files: nodeFileSystem, directory, clock, scheduler, segmentBytes: 5000 }
  return ingestLogSource(source, options)
}

/** A new folder, and what removes it. */
export function newFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'tocsin-mqtt-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Reads on until what was taken fits; what came so far is handed to `isEnough` after each poll. */
export async function readUntil(
  reader: SourceReader,
  isEnough: (records: readonly TakenRecord[], last: PollResult) => boolean,
): Promise<TakenRecord[]> {
  const records: TakenRecord[] = []
  for (;;) {
    const result = await reader.pollBatch()
    if (result.kind === 'end') throw new Error('the reader has ended')
    if (result.kind === 'batch') {
      const { batch } = result
      for (let row = 0; row < batch.count; row++) {
        const text = batch.bytes.toString('utf8', batch.starts[row], batch.ends[row])
        const fault = batch.faults?.get(row)
        const cause = fault === undefined ? {} : { cause: fault.cause }
        records.push({ offset: batch.offsets[row]!, text, ...cause })
      }
      await reader.acknowledge?.(batch)
    }
    if (isEnough(records, result)) return records
  }
}

/** Reads until so many have come, and then until nothing more comes for a while. */
export async function readRecords(reader: SourceReader, count: number): Promise<TakenRecord[]> {
  let idle = 0
  return await readUntil(reader, (records, { kind }) => {
    idle = kind === 'idle' ? idle + 1 : 0
    return records.length >= count && idle >= 3
  })
}

/** Reads until the session is subscribed. */
export async function readUntilSubscribed(reader: SourceReader): Promise<TakenRecord[]> {
  return await readUntil(reader, (_, last) => last.kind === 'idle' && last.backlog === false)
}

/** A client of another make's side: a plain mqtt.js. */
export async function publisher(
  broker: TestBroker,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const protocolVersion = broker.kind === 'aedes' ? 4 : 5
  return await connectAsync(broker.url, { protocolVersion, ...options })
}
