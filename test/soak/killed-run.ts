import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Random } from '../../connectors/generator/random.ts'
import { nodeFileSystem } from '../../connectors/node-file-system.ts'
import { openIngestLog } from '../../src/checkpoint/ingest-log.ts'
import type { SoakJob } from './soak-job.ts'

// This file runs from dist/test/soak.
const binary = fileURLToPath(new URL('../../../bin/tocsin.js', import.meta.url))

/** What a process is doing when it is killed. */
export const killMoments = ['start', 'run', 'checkpoint', 'commit', 'stop'] as const
export type KillMoment = (typeof killMoments)[number]

/** How a process ended: killed, stopped as it was asked to, or come to the end of the job. */
export type RunEnd = 'killed' | 'stopped' | 'finished'

/** Runs the job to its end; gives what it said. */
export async function runToEnd(job: SoakJob): Promise<string> {
  const run = await startRun(job)
  const { code } = await run.closed
  if (code !== 0) throw new Error(`tocsin run ended with ${code}:\n${run.said()}`)
  return run.said()
}

/** Runs the job and kills it at a moment of this kind, unless it has ended before. */
export async function runAndKill(
  job: SoakJob,
  moment: KillMoment,
  random: Random,
): Promise<RunEnd> {
  const run = await startRun(job)
  const { child, closed } = run
  let ended = false
  void closed.then(() => {
    ended = true
  })
  const isOver = () => ended
  const asked = await waitFor(moment, { job, child, isOver }, random)
  child.kill('SIGKILL')
  const { code, signal } = await closed
  if (signal === 'SIGKILL') return 'killed'
  if (asked) return 'stopped'
  if (code !== 0) throw new Error(`tocsin run ended with ${code ?? signal}:\n${run.said()}`)
  return 'finished'
}

interface Watched {
  readonly job: SoakJob
  readonly child: ChildProcess
  readonly isOver: () => boolean
}

/** Waits until the moment has come, and a little longer; whether the process was asked to stop. */
async function waitFor(moment: KillMoment, watched: Watched, random: Random): Promise<boolean> {
  const { job, child, isOver } = watched
  const checkpoint = join(job.folder, 'state/checkpoints/checkpoint')
  switch (moment) {
    case 'start':
      await pause(random.integer(0, 700), isOver)
      return false
    case 'run':
      await untilChanged(checkpoint, isOver)
      await pause(random.integer(0, 600), isOver)
      return false
    case 'checkpoint':
      for (let left = random.integer(1, 3); left > 0; left--) {
        await untilChanged(checkpoint, isOver)
      }
      await pause(random.pick([0, 0, random.integer(0, 60)]), isOver)
      return false
    case 'commit':
      await untilChanged(join(job.folder, 'alerts.ndjson.commit'), isOver)
      await untilChanged(join(job.folder, 'alerts.ndjson.commit'), isOver)
      await pause(random.pick([0, 0, random.integer(0, 20)]), isOver)
      return false
    case 'stop':
      await untilChanged(checkpoint, isOver)
      await pause(random.integer(0, 100), isOver)
      if (isOver()) return false
      child.kill('SIGTERM')
      await pause(random.integer(0, 250), isOver)
      return true
  }
}

async function startRun(job: SoakJob) {
  const child = spawn(process.execPath, [binary, 'run'], { cwd: job.folder })
  let said = ''
  child.stdout.resume()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  // Whoever is killed reads no further.
  child.stdin.on('error', () => undefined)
  const closed = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  if (job.input === null) child.stdin.end()
  else {
    const { bytes, starts } = job.input
    const from = starts[await loggedRecords(job.folder)] ?? bytes.length
    Readable.from(chunksOf(bytes.subarray(from))).pipe(child.stdin)
  }
  return { child, closed, said: () => said }
}

/** How many records the ingest log of a dead job has ever taken: what comes next is lost with the pipe. */
async function loggedRecords(folder: string): Promise<number> {
  const directory = join(folder, 'state/ingest/payments-0')
  if (!existsSync(directory)) return 0
  const scheduler = { sleep: async () => undefined }
  const log = await openIngestLog({ files: nodeFileSystem, directory, scheduler })
  const { end } = log
  await log.close()
  return end
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

const chunkBytes = 64 * 1024

/** Until a file is another one than it is now. */
async function untilChanged(path: string, isOver: () => boolean): Promise<void> {
  const before = versionOf(path)
  while (!isOver() && versionOf(path) === before) await pause(1, isOver)
}

function versionOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs}`
}

async function pause(milliseconds: number, isOver: () => boolean): Promise<void> {
  const until = performance.now() + milliseconds
  do await new Promise((resolve) => setTimeout(resolve, 1))
  while (!isOver() && performance.now() < until)
}

/** The alerts that a job has shown. */
export function alertsOf({ folder }: SoakJob): string[] {
  const text = readFileSync(join(folder, 'alerts.ndjson'), 'utf8')
  return text.split('\n').filter((line) => line !== '')
}

/** What a job has left out, without when that was: kept in the order of the rows themselves. */
export function leftOutOf({ folder }: SoakJob): string[] {
  const directory = join(folder, 'state/side-output')
  const names = readdirSync(directory).filter((name) => name.endsWith('.ndjson'))
  const rows = names.flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
  return rows
    .filter((row) => row !== '')
    .map((row) => row.replace(/"kept_at":\d+,/, '').replace(/"detected_at":\d+,/, ''))
    .sort()
}
