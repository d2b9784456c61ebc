import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { durableState } from '../connectors/registry.ts'
import {
  type CarryOver,
  inspectSavepoint,
  openCheckpointStore,
  previewCarryOver,
  type RestoredSavepoint,
  restoreSavepoint,
  TocsinError,
  writeSavepoint,
} from '../src/index.ts'
import { carryOverText } from './carry-over-text.ts'
import { askForCopy, checkpointsIn, ingestLogsIn } from './checkpoint-copies.ts'
import type { CheckpointConfig, Config } from './config.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { hostClock, hostScheduler } from './host.ts'
import { loadRulesToRun, surroundingsOf } from './load-rules.ts'
import { packageVersion } from './package-root.ts'
import { readConfig } from './read-config.ts'
import { jobStream } from './replay-streams.ts'
import { savepointText } from './savepoint-text.ts'
import { lockStateFolder, type StateLock } from './state-lock.ts'
import type { Terminal } from './terminal.ts'

export interface SavepointCreateOptions {
  readonly config?: string
  readonly output?: string
}

/**
 * `tocsin savepoint create`: of a running job at a barrier that it takes now; of one that does not
 * run its newest checkpoint.
 */
export async function savepointCreateCommand(
  options: SavepointCreateOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const { job } = checkpointsOf(config)
  const { stateDirectory } = config
  if (!existsSync(checkpointsIn(stateDirectory))) throw noCheckpoint(stateDirectory)
  const output = options.output ?? './'
  const lock = await lockUnlessRunning(stateDirectory, terminal)
  let path: string
  try {
    path =
      lock === null
        ? await ofRunningJob(config, job, output)
        : await ofStoppedJob(config, job, output)
  } finally {
    lock?.release()
  }
  const logged = loggedStreams(config)
  if (logged.length > 0) {
    terminal.say(
      `what ${logged.join(' and ')} gave from there on is in ${ingestLogsIn(stateDirectory)}, not in the ` +
        'savepoint: to move the job, stop it and take a copy of that folder along\n',
    )
  }
  terminal.print(`${path}\n`)
  return exitCodes.fine
}

export interface SavepointRestoreOptions {
  readonly config?: string
  readonly reset?: readonly string[]
}

/** `tocsin savepoint restore`: makes the state of a job that has none yet. */
export async function savepointRestoreCommand(
  savepoint: string,
  options: SavepointRestoreOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const { job } = checkpointsOf(config)
  const rules = loadRulesToRun(config.rulesPath, surroundingsOf(config))
  const { stateDirectory } = config
  const streams = new Map(
    config.streams.map((stream) => [stream.name, jobStream(stream).time] as const),
  )
  const resetStreams = options.reset ?? []
  const unknown = resetStreams.find((stream) => !streams.has(stream))
  if (unknown !== undefined) {
    throw new TocsinError('USAGE', `--reset ${unknown}: the configuration has no such stream`)
  }
  const lock = await lockStateFolder(stateDirectory, {
    onWatch: (text) => terminal.say(`${text}\n`),
  })
  try {
    refuseUsed(stateDirectory)
    const directory = checkpointsIn(stateDirectory)
    const path = resolve(savepoint)
    let carryOver: CarryOver | null = null
    const {
      header,
      job: saved,
      keys,
    } = await restoreSavepoint({
      ...durableState,
      scheduler: hostScheduler,
      directory,
      path,
      job,
      resetStreams,
      check: (saved) => {
        carryOver = previewCarryOver(saved, rules, streams)
      },
    })
    terminal.say(
      `restored checkpoint ${header.checkpoint} of job ${header.job}, ${keys.toLocaleString('en-US')} ` +
        `keys, into ${stateDirectory}\n`,
    )
    if (header.job !== job) {
      terminal.say(`job ${job} is another one: its sinks are taken as new\n`)
    }
    for (const stream of missingLogs(config, saved.splits)) {
      terminal.say(
        `stream ${stream} goes on in its ingest log, which is not there: before the job runs, put what ` +
          `the old state folder has in ingest into ${ingestLogsIn(stateDirectory)}; or restore with ` +
          `--reset ${stream}, without what it gave in between\n`,
      )
    }
    if (carryOver !== null) {
      terminal.say(
        `rules or streams are others than in the savepoint:\n${indented(carryOverText(carryOver))}`,
      )
    }
  } finally {
    lock.release()
  }
  return exitCodes.fine
}

export interface SavepointInspectOptions {
  readonly format: 'pretty' | 'json'
}

/** `tocsin savepoint inspect`: what a savepoint holds; it needs no job and no configuration. */
export async function savepointInspectCommand(
  savepoint: string,
  { format }: SavepointInspectOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const summary = await inspectSavepoint(durableState.files, resolve(savepoint))
  if (format === 'json') terminal.print(`${JSON.stringify(summary, null, 2)}\n`)
  else terminal.print(savepointText(summary))
  return exitCodes.fine
}

/** Streams whose source keeps nothing: their records are kept beside the checkpoints. */
function loggedStreams({ streams }: Config): string[] {
  const logged = streams.filter((stream) => jobStream(stream).source.replayable !== true)
  return logged.map(({ name }) => name)
}

/** Those that are to go on in a log, where the state folder has none. */
function missingLogs(config: Config, splits: RestoredSavepoint['job']['splits']): string[] {
  if (existsSync(ingestLogsIn(config.stateDirectory))) return []
  const read = new Set(splits.map(({ stream }) => stream))
  return loggedStreams(config).filter((stream) => read.has(stream))
}

function checkpointsOf({ checkpoints }: Config): CheckpointConfig {
  if (checkpoints !== null) return checkpoints
  const message = 'the job keeps no checkpoints: savepoints need `state: { backend: rocksdb }`'
  throw new TocsinError('USAGE', message)
}

/** `null`: the job runs. */
async function lockUnlessRunning(
  stateDirectory: string,
  terminal: Terminal,
): Promise<StateLock | null> {
  try {
    return await lockStateFolder(stateDirectory, { onWatch: (text) => terminal.say(`${text}\n`) })
  } catch (error) {
    if (error instanceof TocsinError && error.code === 'STATE_LOCKED') return null
    throw error
  }
}

async function ofRunningJob(config: Config, job: string, output: string): Promise<string> {
  const copy = await askForCopy(config.stateDirectory)
  try {
    return await write(copy.directory, job, output, copy.committed)
  } finally {
    copy.remove()
  }
}

function ofStoppedJob(config: Config, job: string, output: string): Promise<string> {
  return write(checkpointsIn(config.stateDirectory), job, output, {})
}

async function write(
  directory: string,
  job: string,
  output: string,
  committed: Readonly<Record<string, number>>,
): Promise<string> {
  const store = await openCheckpointStore({ ...durableState, scheduler: hostScheduler, directory })
  try {
    const path = pathOf(output, `${job}-${store.head.number}.savepoint`)
    await writeSavepoint(store, {
      files: durableState.files,
      path,
      job,
      createdAt: new Date(hostClock.now()).toISOString(),
      createdBy: packageVersion(),
      committed,
    })
    return path
  } finally {
    await store.close()
  }
}

/** A folder, there or named with a slash at its end, gets a file of this name. */
function pathOf(output: string, name: string): string {
  const path = resolve(output)
  const isFolder = output.endsWith('/') || (existsSync(path) && statSync(path).isDirectory())
  if (!isFolder) return path
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    const message = `cannot write a savepoint into ${path}: ${(error as Error).message}`
    throw new TocsinError('OUTPUT_UNWRITABLE', message, { cause: error })
  }
  return join(path, name)
}

function indented(lines: string): string {
  return lines.replace(/^(?=.)/gm, '  ')
}

/** The lock may be there, a log of what was ingested, and what a killed restore has left. */
function refuseUsed(stateDirectory: string): void {
  const free = ['lock', 'ingest', 'checkpoints.partial']
  const used = readdirSync(stateDirectory).filter((name) => !free.includes(name))
  if (used.length === 0) return
  const message =
    `the state folder ${stateDirectory} is not empty: it has ${used.join(', ')}. A savepoint is ` +
    'restored into an empty one: name another state.dir, or move what is there away'
  throw new TocsinError('USAGE', message)
}

function noCheckpoint(stateDirectory: string): TocsinError {
  return new TocsinError('STATE_MISSING', `there is no checkpoint in ${stateDirectory} yet`)
}
