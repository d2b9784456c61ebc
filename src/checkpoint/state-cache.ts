/** What keyed state may have in memory where nothing else is said, bytes. */
export const defaultStateCacheBytes = 256 * 1024 * 1024

const farOver = 1.1
/** From this part of the budget on it is worth while to let entries leave before they must. */
const nearlyFull = 0.95

/** The room that the keyed state of a job has in memory, over all operators. */
export class StateCache {
  readonly #budgetBytes: number
  readonly #users: (() => number)[] = []

  /** @param budgetBytes default 256 MiB */
  constructor(budgetBytes = defaultStateCacheBytes) {
    this.#budgetBytes = budgetBytes
  }

  /** Adds an operator. @param usedBytes what it has in memory now, roughly */
  add(usedBytes: () => number): void {
    this.#users.push(usedBytes)
  }

  /** Whether some entries must leave. */
  get isOver(): boolean {
    return this.#usedBytes() > this.#budgetBytes
  }

  /** Whether some will have to leave soon. */
  get isNearlyFull(): boolean {
    return this.#usedBytes() > this.#budgetBytes * nearlyFull
  }

  /** Whether so many must leave that nothing may be brought in which nobody waits for. */
  get isFarOver(): boolean {
    return this.#usedBytes() > this.#budgetBytes * farOver
  }

  #usedBytes(): number {
    let used = 0
    for (const usedBytes of this.#users) used += usedBytes()
    return used
  }
}
