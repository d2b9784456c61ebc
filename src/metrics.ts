/** A number that only grows. */
export class Counter {
  value = 0
  increment(by = 1): void {
    this.value += by
  }
}

/** Counters by name; nothing is left out of a stream without one of them rising. */
export class MetricGroup {
  readonly #counters = new Map<string, Counter>()

  counter(name: string): Counter {
    let counter = this.#counters.get(name)
    if (counter === undefined) {
      counter = new Counter()
      this.#counters.set(name, counter)
    }
    return counter
  }

  snapshot(): Map<string, number> {
    return new Map([...this.#counters].map(([name, counter]) => [name, counter.value]))
  }
}
