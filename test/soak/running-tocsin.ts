import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A `tocsin run` of its own process, in a folder with its configuration. */
export class RunningTocsin {
  /** Its exit code; `null`: it was killed. */
  readonly ended: Promise<number | null>
  readonly #folder: string
  readonly #child: ChildProcess
  /** What it has written to its standard error. */
  said = ''

  constructor(folder: string, args: readonly string[] = ['run']) {
    this.#folder = folder
    this.#child = spawn(process.execPath, [binary(), ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.said += text
    })
    this.ended = once(this.#child, 'close').then(([code]) => code)
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  get isKilled(): boolean {
    return this.#child.signalCode === 'SIGKILL'
  }

  /** Resolves after that time, or when it has ended. */
  async pause(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds
    while (!this.isOver && performance.now() < until) await turn()
  }

  /** Resolves when it has acknowledged a further checkpoint, or has ended. */
  async untilCheckpoint(): Promise<void> {
    const path = join(this.#folder, 'state/checkpoints/checkpoint')
    const version = () => (existsSync(path) ? statSync(path).mtimeMs : 0)
    const before = version()
    while (!this.isOver && version() === before) await turn()
  }

  /** False: it had ended before. */
  async kill(): Promise<boolean> {
    this.#child.kill('SIGKILL')
    await this.ended
    return this.isKilled
  }

  /** Asks it to stop; gives its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return await this.ended
  }

  linesOf(file: string): string[] {
    const path = join(this.#folder, file)
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
  }
}

/** This file may run from `test` or from `dist/test`. */
function binary(): string {
  const path = 'bin/tocsin.js'
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, path))) folder = dirname(folder)
  return join(folder, path)
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2))
}
