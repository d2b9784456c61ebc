import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckpointCopier, CheckpointCopy } from '../src/index.ts'
import { askJob, type ControlSocket } from './control-socket.ts'

/** Where the checkpoints of a job lie in its state folder. */
export function checkpointsIn(stateDirectory: string): string {
  return join(stateDirectory, 'checkpoints')
}

/** Where it keeps what came from sources that keep nothing. */
export function ingestLogsIn(stateDirectory: string): string {
  return join(stateDirectory, 'ingest')
}

/** A copy of a running job's checkpoint, for whoever asked for it. */
export interface AskedCopy extends CheckpointCopy {
  /** Absolute. */
  readonly directory: string
  remove(): void
}

/** Lets others ask a running job for copies of its checkpoints. */
export function serveCopies(
  control: ControlSocket,
  copier: CheckpointCopier,
  stateDirectory: string,
): void {
  for (const name of existsSync(stateDirectory) ? readdirSync(stateDirectory) : []) {
    // Of somebody who has died before the copy could be removed.
    if (name.startsWith(copyPrefix)) removeCopy(join(stateDirectory, name))
  }
  let copies = 0
  control.handle(copyCommand, async () => {
    const name = `${copyPrefix}${process.pid}-${++copies}`
    const copy = await copier.copyTo(join(stateDirectory, name))
    return { name, ...copy }
  })
}

/**
 * Asks the job that runs with a state folder for a copy of a checkpoint that it takes now.
 * @throws {TocsinError} CONTROL_UNREACHABLE; what the copy fails with
 */
export async function askForCopy(stateDirectory: string): Promise<AskedCopy> {
  const answer = (await askJob(stateDirectory, { command: copyCommand })) as CheckpointCopy & {
    readonly name: string
  }
  // By its name alone: the job may see the folder under another path.
  const directory = join(stateDirectory, answer.name)
  return { ...answer, directory, remove: () => removeCopy(directory) }
}

const copyCommand = 'checkpoint-copy'
const copyPrefix = 'copy-'

function removeCopy(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}
