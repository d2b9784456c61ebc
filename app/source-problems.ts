import type { Log } from './log.ts'

/**
 * Tells what keeps the records of a stream from coming: once for all of its partitions, and when
 * they come again.
 */
export class SourceProblems {
  readonly #log: Pick<Log, 'warn' | 'info'>
  /** Stream → partitions in trouble → what it is. */
  readonly #streams = new Map<string, Map<number, string>>()

  constructor(log: Pick<Log, 'warn' | 'info'>) {
    this.#log = log
  }

  note(stream: string, partition: number, problem: string | undefined): void {
    const known = this.#streams.get(stream) ?? new Map<number, string>()
    this.#streams.set(stream, known)
    if (problem === undefined) {
      known.delete(partition)
      if (known.size === 0) this.#log.info(`${stream}: records come again`)
    } else {
      const isNew = ![...known.values()].includes(problem)
      known.set(partition, problem)
      if (isNew) this.#log.warn(`${stream}: no records come: ${problem}; it is tried again`)
    }
  }
}
