import {
  type CheckpointStore,
  type CheckpointStoreOptions,
  fileFailure,
  openCheckpointStore,
} from '../checkpoint/checkpoint-store.ts'
import type { StoredKey } from '../checkpoint/log-contents.ts'
import { decodeStagedAlerts } from '../checkpoint/outbox-format.ts'
import type { FileSystem } from '../connector/file-system.ts'
import { assert, TocsinError } from '../errors.ts'
import { entryContentOf, entryFormOf } from '../operator/cep-entry-format.ts'
import type { JsonValue } from '../stream/alert.ts'
import { type SavedJob, type SavedSplit, savedJobOf } from './saved-job.ts'
import {
  readSavepoint,
  type SavepointHeader,
  SavepointWriter,
  savepointVersion,
} from './savepoint-file.ts'

export interface SavepointToWrite {
  readonly files: FileSystem
  /** Absolute; a file that is there is replaced. */
  readonly path: string
  /** The job's name. */
  readonly job: string
  /** ISO 8601. */
  readonly createdAt: string
  /** The version of Tocsin. */
  readonly createdBy: string
  /** By sink, what it has committed since the checkpoint was taken. */
  readonly committed?: Readonly<Record<string, number>>
}

/**
 * Writes the newest checkpoint of a store as a savepoint; gives its number.
 * @throws {TocsinError} STATE_MISSING where there is no checkpoint; CHECKPOINT_CORRUPT,
 *   STATE_CORRUPT, OUTPUT_UNWRITABLE
 */
export async function writeSavepoint(
  store: CheckpointStore,
  { files, path, job: name, createdAt, createdBy, committed = {} }: SavepointToWrite,
): Promise<number> {
  const { head } = store
  const saved = savedJobOf(head)
  if (saved === null) throw new TocsinError('STATE_MISSING', 'there is no checkpoint yet')
  const writer = new SavepointWriter(files, path)
  try {
    await writer.write({
      kind: 'savepoint',
      version: savepointVersion,
      job: name,
      checkpoint: head.number,
      created_at: createdAt,
      created_by: createdBy,
    })
    // What was left out lies in the state folder, and stays there.
    const { sideOutput: _, ...job } = saved
    await writer.write({ kind: 'job', job: job as unknown as JsonValue })
    for (const [sink, known] of Object.entries(head.outboxes)) {
      const done = Math.max(known.committed ?? 0, committed[sink] ?? 0)
      await writer.write({ kind: 'sink', sink, committed: done === 0 ? null : done })
      for (const [index, staged] of (await store.stagedOf(sink)).entries()) {
        const checkpoint = known.staged[index] as number
        if (checkpoint <= done) continue
        await writer.write({ kind: 'alerts', sink, checkpoint, staged: staged.toString('base64') })
      }
    }
    for (const { name: operator } of Object.values(saved.operators)) {
      for (const part of await store.partsOf(operator)) {
        await writer.write({ kind: 'part', operator, part })
      }
      for await (const entries of store.entriesOf(operator)) {
        for (const { key, content } of entries) {
          await writer.write({ kind: 'entry', operator, key, form: entryFormOf(content) })
        }
      }
    }
    await writer.finish()
    return head.number
  } catch (error) {
    await writer.discard().catch(() => undefined)
    throw error
  }
}

/** What a savepoint holds. */
export interface SavepointSummary {
  readonly header: SavepointHeader
  /** Whether the job had come to the end of its streams. */
  readonly isFinished: boolean
  readonly bytes: number
  readonly sha256: string
  readonly operators: readonly OperatorSummary[]
  /** Where reading goes on, and up to which event time it has come. */
  readonly splits: readonly SavedSplit[]
  readonly sinks: readonly SinkSummary[]
}

export interface OperatorSummary {
  /** From key and streams. */
  readonly id: string
  /** Keys with something open. */
  readonly keys: number
  readonly rules: readonly {
    readonly id: string
    readonly fingerprint: string
    readonly keys: number
  }[]
}

export interface SinkSummary {
  readonly sink: string
  readonly committed: number | null
  /** Alerts that it may lack. */
  readonly stagedAlerts: number
}

/** Reads a savepoint through, with its checksum. @throws {TocsinError} as readSavepoint */
export async function inspectSavepoint(files: FileSystem, path: string): Promise<SavepointSummary> {
  const counts = new Map<string, KeyCounts>()
  const sinks = new Map<string, SinkSummary>()
  let header: SavepointHeader | undefined
  let job: SavedJob | undefined
  let sha256 = ''
  for await (const line of readSavepoint(files, path)) {
    switch (line.kind) {
      case 'savepoint':
        header = line
        break
      case 'job':
        job = line.job as unknown as SavedJob
        break
      case 'sink':
        sinks.set(line.sink, { sink: line.sink, committed: line.committed, stagedAlerts: 0 })
        break
      case 'alerts':
        countAlerts(line.sink, line.staged, sinks)
        break
      case 'entry':
        countEntry(line.operator, line.form, counts)
        break
      case 'part':
        break
      case 'end':
        sha256 = line.sha256
    }
  }
  assert(header !== undefined && job !== undefined, 'a savepoint has a header and a job')
  const { isFinished, splits } = job
  const bytes = (await files.inspect(path))?.size ?? 0
  const operators = operatorSummaries(job, counts)
  return { header, isFinished, bytes, sha256, operators, splits, sinks: [...sinks.values()] }
}

/** Keys with something open. */
interface KeyCounts {
  all: number
  readonly byPattern: number[]
}

function countAlerts(sink: string, staged: string, sinks: Map<string, SinkSummary>): void {
  const known = sinks.get(sink) ?? { sink, committed: null, stagedAlerts: 0 }
  const { alerts } = decodeStagedAlerts(Buffer.from(staged, 'base64'))
  sinks.set(sink, { ...known, stagedAlerts: known.stagedAlerts + alerts.length })
}

function countEntry(operator: string, form: JsonValue, counts: Map<string, KeyCounts>): void {
  const known = counts.get(operator) ?? { all: 0, byPattern: [] }
  counts.set(operator, known)
  known.all++
  for (const [pattern] of form as [number, JsonValue][]) {
    known.byPattern[pattern] = (known.byPattern[pattern] ?? 0) + 1
  }
}

function operatorSummaries(job: SavedJob, counts: ReadonlyMap<string, KeyCounts>) {
  return Object.entries(job.operators).map(([id, { name, layout }]): OperatorSummary => {
    const rules = layout.rules.map((rule, pattern) => {
      const keys = counts.get(name)?.byPattern[pattern] ?? 0
      return { id: rule.id, fingerprint: rule.fingerprint, keys }
    })
    return { id, keys: counts.get(name)?.all ?? 0, rules }
  })
}

export interface SavepointToRestore extends CheckpointStoreOptions {
  /** Absolute. */
  readonly path: string
  /**
   * The name of the job that is to go on from it. Sinks of another job are taken as new: they get
   * what the savepoint has staged for them.
   */
  readonly job: string
  /** Streams that are to be read from their beginning. */
  readonly resetStreams?: readonly string[]
  /** Sees the job before anything is restored; what it throws ends that. */
  readonly check?: (job: SavedJob) => void
}

export interface RestoredSavepoint {
  readonly header: SavepointHeader
  readonly job: SavedJob
  readonly keys: number
}

/**
 * Makes the checkpoints of a job, which must not be there, of a savepoint: they are there when all
 * of it was read and its checksum fits, or not at all.
 * @throws {TocsinError} as readSavepoint; STATE_DISK_FULL, STATE_IO
 */
export async function restoreSavepoint(options: SavepointToRestore): Promise<RestoredSavepoint> {
  const { files, directory } = options
  const partial = `${directory}.partial`
  await fileFailure(directory, () => files.removeTree(partial))
  const store = await openCheckpointStore({ ...options, directory: partial })
  let restored: RestoredSavepoint
  try {
    restored = await fill(store, options)
    await store.close()
  } catch (error) {
    await store.close()
    await files.removeTree(partial)
    throw error
  }
  await fileFailure(directory, async () => {
    await files.rename(partial, directory)
    await files.syncDirectory(directory.slice(0, directory.lastIndexOf('/')))
  })
  return restored
}

const entriesOfBatch = 1000

async function fill(
  store: CheckpointStore,
  { files, path, job: name, resetStreams = [], check }: SavepointToRestore,
): Promise<RestoredSavepoint> {
  const parts = new Map<string, JsonValue[]>()
  const outboxes = new Map<string, { committed: number | null; staged: Map<number, Buffer> }>()
  let header: SavepointHeader | undefined
  let job: SavedJob | undefined
  let batch: StoredKey[] = []
  let batchOf = ''
  let keys = 0
  const drain = async () => {
    if (batch.length > 0) await store.putEntries(batchOf, batch)
    batch = []
  }
  for await (const line of readSavepoint(files, path)) {
    switch (line.kind) {
      case 'savepoint':
        header = line
        break
      case 'job':
        job = line.job as unknown as SavedJob
        check?.(job)
        break
      case 'sink':
        // What was committed for another job says nothing of this one's marker.
        outboxes.set(line.sink, {
          committed: header?.job === name ? line.committed : null,
          staged: new Map(),
        })
        break
      case 'alerts':
        outboxes.get(line.sink)?.staged.set(line.checkpoint, Buffer.from(line.staged, 'base64'))
        break
      case 'part':
        parts.set(line.operator, [...(parts.get(line.operator) ?? []), line.part])
        break
      case 'entry': {
        if (line.operator !== batchOf || batch.length === entriesOfBatch) await drain()
        batchOf = line.operator
        batch.push({ key: line.key, content: entryContentOf(line.form) })
        keys++
        break
      }
      case 'end':
        await drain()
    }
  }
  assert(header !== undefined && job !== undefined, 'a savepoint has a header and a job')
  const splits = job.splits.filter(({ stream }) => !resetStreams.includes(stream))
  const going = {
    ...job,
    splits,
    isFinished: job.isFinished && splits.length === job.splits.length,
  }
  await store.create(header.checkpoint, going as unknown as JsonValue, parts, outboxes)
  return { header, job: going, keys }
}
