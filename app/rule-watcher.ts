import { type FSWatcher, watch } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isRuleFile } from '../src/index.ts'

export interface RuleWatcherOptions {
  /** A file or a folder. */
  readonly path: string
  /** Called when something has changed there, and has stood still for a while. */
  readonly onChange: () => void
  /** How long it must have stood still, ms; default 200. */
  readonly quietMs?: number
  /** How often it is looked at where the system tells of nothing, ms; default 2,000. */
  readonly pollMs?: number
}

/**
 * Watches rules on disk. What the system tells (inotify and its like) is only a hint to look: it is
 * not told of in network folders, of files behind links, or of a folder that is put in the place of
 * another one. So it is looked at from time to time as well.
 */
export class RuleWatcher {
  readonly #options: Required<RuleWatcherOptions>
  #watcher: FSWatcher | null = null
  #timer: NodeJS.Timeout | undefined
  #seen: string | null = null
  /** What was seen at the last look; told once it is seen twice. */
  #before: string | null = null
  #isClosed = false

  constructor(options: RuleWatcherOptions) {
    this.#options = { quietMs: 200, pollMs: 2000, ...options }
  }

  /** Takes what is there as known. */
  async start(): Promise<void> {
    this.#seen = await signatureOf(this.#options.path)
    this.#before = this.#seen
    this.#watch()
    this.#lookAfter(this.#options.pollMs)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#watcher?.close()
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#options.path, { recursive: true })
    } catch {
      // Then it is looked at from time to time only.
      return
    }
    this.#watcher.on('change', () => this.#lookAfter(this.#options.quietMs))
    this.#watcher.on('error', () => this.#watcher?.close())
  }

  #lookAfter(waitMs: number): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), waitMs)
  }

  async #look(): Promise<void> {
    const { path, quietMs, pollMs, onChange } = this.#options
    const now = await signatureOf(path)
    const isQuiet = now === this.#before
    this.#before = now
    if (now !== this.#seen && isQuiet) {
      this.#seen = now
      onChange()
    }
    this.#lookAfter(now === this.#seen ? pollMs : quietMs)
  }
}

/** Changes whenever a rule file does; what cannot be read is a state like others. */
async function signatureOf(path: string): Promise<string> {
  try {
    const root = await stat(path)
    if (!root.isDirectory()) return fileSignature(path)
    const names = (await readdir(path, { recursive: true })).filter(
      (name) => isRuleFile(name) && !name.includes('node_modules'),
    )
    const files = await Promise.all(names.sort().map((name) => fileSignature(join(path, name))))
    return files.join('\n')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

async function fileSignature(path: string): Promise<string> {
  const [own, target] = await Promise.all([lstat(path), stat(path).catch(() => null)])
  const parts = [own.ino, own.mtimeMs, target?.ino, target?.mtimeMs, target?.size]
  return `${path} ${parts.join(' ')}`
}
