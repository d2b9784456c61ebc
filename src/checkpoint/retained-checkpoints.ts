import { type FileSystem, replaceFile } from '../connector/file-system.ts'
import type { Marker } from '../connector/two-phase-commit-sink.ts'
import { TocsinError } from '../errors.ts'
import {
  type CheckpointStore,
  type CheckpointStoreOptions,
  fileFailure,
  openCheckpointStore,
} from './checkpoint-store.ts'

/*
 * A job's folder of checkpoints:
 *
 * | name | what |
 * |---|---|
 * | `db`, `checkpoint` | the newest checkpoint, and its number |
 * | `retained/NUMBER/` | the same of a checkpoint as it was then: hard links |
 * | `damaged-1`, ... | a `db` that could not be read: kept for whoever looks into it |
 * | `suspect` | damage was met in a run: the next start reads everything |
 * | `adopted` | the database of a retained checkpoint on its way to `db` |
 */

/** What a job had to go back to. */
export interface FallBack {
  /** The checkpoint that it goes on from. */
  readonly checkpoint: number
  /** What was wrong with the newest one. */
  readonly reason: string
  /** Where that lies now. */
  readonly damaged: string
}

export interface FallBackOptions extends CheckpointStoreOptions {
  /** What each exactly-once sink has committed; asked only where something is damaged. */
  readonly markers: () => Promise<ReadonlyMap<string, Marker | undefined>>
  readonly onFallBack: (fallBack: FallBack) => void
}

/**
 * Opens the newest checkpoint. Where it is damaged, the newest retained one takes its place that can
 * be read and that no sink has gone beyond (D5): else alerts would be sent twice or not at all.
 * @throws {TocsinError} as `openCheckpointStore`; where there is no such checkpoint the message says
 *   what is wrong with each
 */
export async function openNewestCheckpoint(options: FallBackOptions): Promise<CheckpointStore> {
  try {
    return await openUnsuspected(options)
  } catch (failure) {
    if (!isDamage(failure)) throw failure
    return await fallBack(options, failure)
  }
}

/**
 * Has the next start read everything, as damage was met; never throws.
 * @returns the failure that the run is to end with: it says what the next start will do
 */
export async function suspectCheckpoint(
  { files, directory }: Pick<CheckpointStoreOptions, 'files' | 'directory'>,
  failure: unknown,
): Promise<unknown> {
  if (!isDamage(failure)) return failure
  const reason = Buffer.from(`${failure.message}\n`)
  try {
    await replaceFile(files, directory, suspectName, reason)
    const numbers = await retainedCheckpoints(files, directory)
    if (numbers.length === 0) return failure
    const message =
      `${failure.message}. Or start the job again as it is: it reads all of its state first, and goes ` +
      `back to the newest whole one of the checkpoints ${numbers.join(', ')}, which are retained, that ` +
      'no sink has gone beyond'
    return new TocsinError(failure.code, message, { cause: failure })
  } catch {
    // What went wrong first is what counts; the next start finds the damage where it reads it.
    return failure
  }
}

/** Keeps the newest `count` checkpoints as copies; of one alone the store itself is enough. */
export async function retainCheckpoint(
  store: CheckpointStore,
  { files, directory }: Pick<CheckpointStoreOptions, 'files' | 'directory'>,
  count: number,
): Promise<void> {
  const { number } = store.head
  if (count > 1) {
    await fileFailure(directory, () => files.makeDirectory(retainedFolder(directory)))
    const kept = await fileFailure(directory, () => retainedCheckpoints(files, directory))
    const isKept = kept.includes(number)
    if (!isKept) await store.copyTo(`${retainedFolder(directory)}/${number}`)
  }
  await fileFailure(directory, async () => {
    const kept = await retainedCheckpoints(files, directory)
    for (const old of kept.slice(count > 1 ? count : 0)) {
      await files.removeTree(`${retainedFolder(directory)}/${old}`)
    }
  })
}

/** The numbers of checkpoints that are kept as copies, the newest first. */
export async function retainedCheckpoints(files: FileSystem, directory: string): Promise<number[]> {
  const folder = retainedFolder(directory)
  return await fileFailure(directory, async () => {
    if ((await files.inspect(folder)) === undefined) return []
    const names = (await files.list(folder)).filter((name) => /^\d+$/.test(name))
    return names.map(Number).sort((a, b) => b - a)
  })
}

export function retainedFolder(directory: string): string {
  return `${directory}/retained`
}

const suspectName = 'suspect'

async function openUnsuspected(options: FallBackOptions): Promise<CheckpointStore> {
  const { files, directory } = options
  const store = await openCheckpointStore(options)
  const suspect = `${directory}/${suspectName}`
  try {
    const isSuspect = await fileFailure(directory, () => files.inspect(suspect))
    if (isSuspect === undefined) return store
    await store.verify()
    await fileFailure(directory, () => files.remove(suspect))
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

async function fallBack(options: FallBackOptions, failure: TocsinError): Promise<CheckpointStore> {
  const { files, directory, markers, onFallBack } = options
  const numbers = await fileFailure(directory, () => retainedCheckpoints(files, directory))
  if (numbers.length === 0) throw failure
  const committed = await markers()
  const refused: string[] = []
  for (const number of numbers) {
    const ahead = [...committed].find(([, marker]) => (marker?.checkpoint ?? 0) > number)
    const obstacle =
      ahead === undefined
        ? await unreadable(options, number)
        : `the sink ${ahead[0]} has committed checkpoint ${ahead[1]?.checkpoint} already`
    if (obstacle === null) {
      const damaged = await adopt(options, number)
      // Here the choice has been made.
      const [reason = ''] = failure.message.split('. Choose: ')
      onFallBack({ checkpoint: number, reason, damaged })
      return await openCheckpointStore(options)
    }
    refused.push(`${number}: ${obstacle}`)
  }
  const message =
    `${failure.message}. Of the retained checkpoints none can take its place: ${refused.join('; ')}. ` +
    'Starting under another state.job lets sinks be taken as new: what is raised again is sent again, ' +
    'with the same ids'
  throw new TocsinError(failure.code, message, { cause: failure })
}

/** Why a retained checkpoint cannot be read; `null`: it can, all of it. */
async function unreadable(options: FallBackOptions, number: number): Promise<string | null> {
  const directory = `${retainedFolder(options.directory)}/${number}`
  try {
    const store = await openCheckpointStore({ ...options, directory })
    try {
      await store.verify()
    } finally {
      await store.close()
    }
    return null
  } catch (error) {
    if (isDamage(error)) return error.message
    throw error
  }
}

/**
 * Puts a retained checkpoint in the place of the damaged one; gives where that lies now. After a
 * crash on the way the store is missing, or is older than `checkpoint` says: that leads here again.
 */
async function adopt(options: FallBackOptions, number: number): Promise<string> {
  const { files, directory } = options
  const adopted = `${directory}/adopted`
  await fileFailure(directory, () => files.removeTree(adopted))
  const retained = `${retainedFolder(directory)}/${number}`
  const store = await openCheckpointStore({ ...options, directory: retained })
  try {
    await store.copyDatabaseTo(adopted)
  } finally {
    await store.close()
  }
  return await fileFailure(directory, async () => {
    const damaged = await freeName(files, `${directory}/damaged`)
    if ((await files.inspect(`${directory}/db`)) !== undefined) {
      await files.rename(`${directory}/db`, damaged)
    }
    await files.rename(adopted, `${directory}/db`)
    await files.syncDirectory(directory)
    await replaceFile(
      files,
      directory,
      'checkpoint',
      await files.readFile(`${retained}/checkpoint`),
    )
    // Their numbers will be used again.
    for (const newer of await retainedCheckpoints(files, directory)) {
      if (newer > number) await files.removeTree(`${retainedFolder(directory)}/${newer}`)
    }
    await files.removeTree(`${directory}/${suspectName}`)
    return damaged
  })
}

async function freeName(files: FileSystem, path: string): Promise<string> {
  for (let index = 1; ; index++) {
    if ((await files.inspect(`${path}-${index}`)) === undefined) return `${path}-${index}`
  }
}

function isDamage(failure: unknown): failure is TocsinError {
  const codes: readonly string[] = ['STATE_CORRUPT', 'CHECKPOINT_CORRUPT', 'STATE_MISSING']
  return failure instanceof TocsinError && codes.includes(failure.code)
}
