import type { CheckedRule } from '../src/index.ts'
import type { RuleSource } from './rule-source.ts'

/** What became of the last look at the rules on disk. */
export interface RuleReload {
  readonly outcome: 'replaced' | 'unchanged' | 'rejected'
  /** Epoch ms. */
  readonly at: number
  /** Why they were rejected: the rules that run are those from before. */
  readonly problems: readonly string[]
}

/** The rules of a run: those that were last found to be good. */
export class RuleSet {
  readonly #reloads = { replaced: 0, unchanged: 0, rejected: 0 }
  readonly source: RuleSource
  #current: readonly CheckedRule[]
  #last: RuleReload | null = null

  /** @throws as RuleSource.load */
  constructor(source: RuleSource) {
    this.source = source
    this.#current = source.load()
  }

  get current(): readonly CheckedRule[] {
    return this.#current
  }

  /** `null`: there was none but that of the start. */
  get lastReload(): RuleReload | null {
    return this.#last
  }

  /** Reloads of this process, by outcome. */
  get reloads(): Readonly<Record<RuleReload['outcome'], number>> {
    return this.#reloads
  }

  /** @param rules those to go on with, where they are replaced */
  note(reload: RuleReload, rules: readonly CheckedRule[] = this.#current): void {
    this.#last = reload
    this.#reloads[reload.outcome]++
    this.#current = rules
  }
}
