import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { afterEach } from 'vitest'
import { startBinary } from './command-line.ts'

const running = new Set<Daemon>()
afterEach(async () => {
  await Promise.all([...running].map((daemon) => daemon.kill()))
})

/** `tocsin run` as a process that stays, until the test is done. */
export class Daemon {
  out = ''
  err = ''
  code: number | null = null
  readonly #child: ReturnType<typeof startBinary>
  readonly #closed: Promise<unknown>

  constructor(folder: string, args: readonly string[] = ['--log-format', 'pretty']) {
    this.#child = startBinary(folder, ['run', ...args])
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.err += text
    })
    this.#closed = once(this.#child, 'close').then(([code]) => {
      this.code = code
      running.delete(this)
    })
    running.add(this)
  }

  get stdin() {
    return this.#child.stdin
  }

  /** Waits until something holds; fails, with what the process has said, if it ends before. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      if (!running.has(this)) throw new Error(`it ended with ${this.code}: ${this.err}`)
      await setTimeout(10)
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Sends a signal, and gives the exit code with how long it took, ms. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; ms: number }> {
    const startedAt = performance.now()
    this.signal(signal)
    await this.#closed
    return { code: this.code, ms: performance.now() - startedAt }
  }

  async ended(): Promise<number | null> {
    await this.#closed
    return this.code
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#closed
  }
}
