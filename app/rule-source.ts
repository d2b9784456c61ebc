import { setImmediate } from 'node:timers/promises'
import {
  type CheckedRule,
  isRuleTestFile,
  loadCheckedRules,
  type RuleFile,
  rulePathsBeside,
} from '../src/index.ts'
import { checkedOrThrow, type Surroundings } from './load-rules.ts'
import { readRuleFolder, readText, ruleFilePaths } from './rule-folder.ts'

/** Rules as they are on disk now. */
export interface RulesOnDisk {
  readonly rules: readonly CheckedRule[]
  /** Those of files that have changed since rules were last accepted. */
  readonly changed: readonly CheckedRule[]
  /** To be called when they are those to go on with. */
  accept(): void
}

/**
 * Rules on disk, read again while a job runs: only what has changed is parsed, a little at a time, so
 * that a job with a thousand rules is not kept waiting for one.
 */
export class RuleSource {
  readonly #path: string
  readonly #surroundings: Surroundings
  readonly #mayBeEmpty: boolean
  /** What was accepted last, by path. */
  #files = new Map<string, LoadedFile>()

  /** @param mayBeEmpty whether a folder without files is a set of no rules; default: it is a mistake */
  constructor(path: string, surroundings: Surroundings, mayBeEmpty = false) {
    this.#path = path
    this.#surroundings = surroundings
    this.#mayBeEmpty = mayBeEmpty
  }

  /**
   * All rules, at once: for a start.
   * @throws {InvalidInput} with every mistake
   * @throws {TocsinError} USAGE where there is no rule
   */
  load(): readonly CheckedRule[] {
    const { rules, accept } = this.#loadAll(readRuleFolder([this.#path]))
    accept()
    return rules
  }

  /** The rules as they are now. @throws as load */
  async reload(): Promise<RulesOnDisk> {
    const files: RuleFile[] = []
    for (const path of ruleFilePaths([this.#path])) {
      files.push({ path, text: readText(path) })
      if (files.length % filesOfSlice === 0) await setImmediate()
    }
    const changed = files.filter(({ path, text }) => this.#files.get(path)?.text !== text)
    if (!this.#standsAlone(files, changed)) return this.#loadAll(files)
    const loaded = new Map<string, LoadedFile>()
    for (const file of changed) {
      const rules = checkedOrThrow(loadCheckedRules([file], this.#surroundings), file.path)
      loaded.set(file.path, { text: file.text, rules })
      await setImmediate()
    }
    const next = new Map(
      files.map(({ path }) => [path, loaded.get(path) ?? (this.#files.get(path) as LoadedFile)]),
    )
    const rules = [...next.values()].flatMap((file) => file.rules)
    // All of them together say it best.
    if (new Set(rules.map(({ rule }) => rule.id)).size < rules.length || rules.length === 0) {
      return this.#loadAll(files)
    }
    return {
      rules,
      changed: [...loaded.values()].flatMap((file) => file.rules),
      accept: () => {
        this.#files = next
      },
    }
  }

  /** Whether the files that have changed have nothing to do with tests in other files. */
  #standsAlone(files: readonly RuleFile[], changed: readonly RuleFile[]): boolean {
    const now = new Set(files.map(({ path }) => path))
    const gone = [...this.#files.keys()].filter((path) => !now.has(path))
    const touched = new Set([...changed.map(({ path }) => path), ...gone])
    if ([...touched].some(isRuleTestFile)) return false
    return files.every(
      ({ path, text }) =>
        !isRuleTestFile(path) ||
        (!namesRule.test(text) && !rulePathsBeside(path).some((beside) => touched.has(beside))),
    )
  }

  #loadAll(files: readonly RuleFile[]): RulesOnDisk {
    const loaded = loadCheckedRules(files, this.#surroundings)
    const isEmpty = files.length === 0 && this.#mayBeEmpty
    const rules = isEmpty ? [] : checkedOrThrow(loaded, this.#path)
    const next = new Map<string, LoadedFile>()
    for (const { path, text } of files) {
      next.set(path, { text, rules: rules.filter(({ rule }) => rule.file === path) })
    }
    const known = new Set([...this.#files].map(([path, { text }]) => `${path}\n${text}`))
    const isKnown = ({ rule }: CheckedRule) =>
      known.has(`${rule.file}\n${next.get(rule.file)?.text}`)
    const testsChanged = files.some(
      ({ path, text }) => isRuleTestFile(path) && !known.has(`${path}\n${text}`),
    )
    return {
      rules,
      changed: testsChanged ? rules : rules.filter((rule) => !isKnown(rule)),
      accept: () => {
        this.#files = next
      },
    }
  }
}

interface LoadedFile {
  readonly text: string
  readonly rules: readonly CheckedRule[]
}

/** A test file that may belong to a rule elsewhere. */
const namesRule = /(?:^|[{,\s"'])rule["']?\s*:/

/** Files that are read before others get their turn. */
const filesOfSlice = 50
