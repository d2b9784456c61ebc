/**
 * Tells what keeps the records of a stream from coming: once for all of its partitions, and when
 * they come again.
 */
export class SourceProblems {
  readonly #tell: (text: string) => void
  /** Stream → partitions in trouble → what it is. */
  readonly #streams = new Map<string, Map<number, string>>()

  constructor(tell: (text: string) => void) {
    this.#tell = tell
  }

  note(stream: string, partition: number, problem: string | undefined): void {
    const known = this.#streams.get(stream) ?? new Map<number, string>()
    this.#streams.set(stream, known)
    if (problem === undefined) {
      known.delete(partition)
      if (known.size === 0) this.#tell(`${stream}: records come again`)
    } else {
      const isNew = ![...known.values()].includes(problem)
      known.set(partition, problem)
      if (isNew) this.#tell(`${stream}: no records come: ${problem}; it is tried again`)
    }
  }
}
