import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { TocsinError } from '../src/index.ts'
import { hostScheduler } from './host.ts'

export interface StateLockOptions {
  /** Between two renewals, ms. Default 5,000. */
  readonly renewalMs?: number
  /** Told what is waited for where a lock has to be watched. */
  readonly onWatch?: (text: string) => void
}

/** The right to write in a state folder: one instance has it. */
export interface StateLock {
  /** Rejects when another instance has taken the folder over: this one must end. */
  readonly lost: Promise<never>
  readonly isLost: boolean
  release(): void
}

/**
 * Takes a state folder, which is made where it is not there. The lock of a process that is dead is
 * taken over. Of a process on another machine, or in another container, that cannot be known: its
 * lock is watched, and taken over where it is not renewed.
 * @throws {TocsinError} STATE_LOCKED, which names process and host; STATE_IO
 */
export async function lockStateFolder(
  directory: string,
  { renewalMs = 5000, onWatch }: StateLockOptions = {},
): Promise<StateLock> {
  try {
    mkdirSync(directory, { recursive: true })
    const path = join(directory, lockName)
    const own = JSON.stringify(ownerOf(process.pid))
    while (!tryLock(path, own)) {
      const found = readLock(path)
      if (found === null) continue
      switch (fateOf(found.owner)) {
        case 'alive':
          throw locked(directory, found.owner)
        case 'unknown':
          onWatch?.(watchText(directory, found.owner, watchedRenewals * renewalMs))
          await hostScheduler.sleep(watchedRenewals * renewalMs)
          if (readLock(path)?.identity !== found.identity) throw locked(directory, found.owner)
          break
        case 'dead':
      }
      removeStale(path, found)
    }
    return new HeldLock(directory, path, own, renewalMs)
  } catch (error) {
    if (error instanceof TocsinError) throw error
    const message = `cannot lock the state folder ${directory}: ${(error as Error).message}`
    throw new TocsinError('STATE_IO', message, { cause: error })
  }
}

const lockName = 'lock'
/** So many renewals that did not come mean that nobody is there. */
const watchedRenewals = 3

class HeldLock implements StateLock {
  readonly lost: Promise<never>
  isLost = false
  readonly #path: string
  readonly #own: string
  readonly #renewal: NodeJS.Timeout

  constructor(directory: string, path: string, own: string, renewalMs: number) {
    this.#path = path
    this.#own = own
    let lose: (error: TocsinError) => void = () => undefined
    this.lost = new Promise((_, reject) => {
      lose = reject
    })
    // Whoever does not look at it has ended before.
    this.lost.catch(() => undefined)
    this.#renewal = setInterval(() => {
      const found = readLock(path)
      if (found?.text === own) {
        utimesSync(path, new Date(), new Date())
        return
      }
      clearInterval(this.#renewal)
      this.isLost = true
      const by = found === null ? 'it is gone' : `${shownOwner(found.owner)} has taken it`
      const message = `the lock of the state folder ${directory} was lost: ${by}; this instance ends`
      lose(new TocsinError('STATE_LOCKED', message))
    }, renewalMs)
    this.#renewal.unref()
  }

  release(): void {
    clearInterval(this.#renewal)
    if (readLock(this.#path)?.text === this.#own) rmSync(this.#path, { force: true })
  }
}

/** Who has a lock. */
interface StateOwner {
  readonly pid: number
  readonly host: string
  /** Of the running system; empty where it does not tell. */
  readonly boot: string
  /** When the process began, as the system counts; empty where it does not tell. */
  readonly began: string
}

interface FoundLock {
  readonly text: string
  /** Changes with each renewal. */
  readonly identity: string
  /** `null`: the file does not say. */
  readonly owner: StateOwner | null
}

function tryLock(path: string, own: string): boolean {
  try {
    writeFileSync(path, own, { flag: 'wx', mode: 0o644 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readLock(path: string): FoundLock | null {
  try {
    const text = readFileSync(path, 'utf8')
    return { text, identity: `${text} ${statSync(path).mtimeMs}`, owner: parseOwner(text) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** A power cut may have left half of the file. */
function parseOwner(text: string): StateOwner | null {
  try {
    const { pid, host, boot, began } = JSON.parse(text)
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host, boot, began } : null
  } catch {
    return null
  }
}

/** Takes away the lock that was judged, and no other one that has come since. */
function removeStale(path: string, judged: FoundLock): void {
  const aside = `${path}.stale-${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const taken = readFileSync(aside, 'utf8')
  rmSync(aside, { force: true })
  // Somebody was faster: the lock is given back. Where it went to a third one, the second sees that.
  if (taken !== judged.text) tryLock(path, taken)
}

function fateOf(owner: StateOwner | null): 'alive' | 'dead' | 'unknown' {
  if (owner === null || owner.host !== hostname()) return 'unknown'
  if (owner.boot !== bootOfSystem()) return 'dead'
  if (!isRunning(owner.pid)) return 'dead'
  return owner.began === beganOf(owner.pid) ? 'alive' : 'dead'
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function ownerOf(pid: number): StateOwner {
  return { pid, host: hostname(), boot: bootOfSystem(), began: beganOf(pid) }
}

function bootOfSystem(): string {
  return readSystem('/proc/sys/kernel/random/boot_id').trim()
}

/** A process id is used again: this tells its processes apart. A dead one that nobody has buried has none. */
function beganOf(pid: number): string {
  // The name, in brackets, may hold anything.
  const fields = readSystem(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []
  return fields[0] === 'Z' ? 'dead' : (fields[19] ?? '')
}

/** What Linux tells of itself; empty elsewhere. */
function readSystem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function shownOwner(owner: StateOwner | null): string {
  return owner === null ? 'a process' : `process ${owner.pid} on ${owner.host}`
}

function locked(directory: string, owner: StateOwner | null): TocsinError {
  const message =
    `${shownOwner(owner)} has the state folder ${directory}: one instance a folder. End that one, ` +
    'or give this one another state.dir'
  return new TocsinError('STATE_LOCKED', message)
}

function watchText(directory: string, owner: StateOwner | null, watchMs: number): string {
  return (
    `the state folder ${directory} has the lock of ${shownOwner(owner)}, of which nothing can be ` +
    `known from here: waiting ${watchMs / 1000} s for a sign of life`
  )
}
