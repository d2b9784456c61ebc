import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type CheckedRule, formatProblem, type RulesReplaced, runRuleTests } from '../src/index.ts'
import { eventFiles, failureText } from './command-test.ts'
import { hostClock } from './host.ts'
import { InvalidInput } from './load-rules.ts'
import type { RunToDo } from './run-to-do.ts'

/**
 * Has a running job go on with the rules as they are on disk (D12): they are read, checked and tried
 * on their own tests, all of them, before any is replaced. Rules that are not good change nothing,
 * and that is told.
 */
export class RuleReloader {
  readonly #todo: ReloadedRun
  #reloading: Promise<void> | null = null
  #isWanted = false

  constructor(todo: ReloadedRun) {
    this.#todo = todo
  }

  /** Looks at the rules once, also where something is being looked at already. Never rejects. */
  reload(): Promise<void> {
    this.#isWanted = true
    this.#reloading ??= this.#reloadAll().finally(() => {
      this.#reloading = null
    })
    return this.#reloading
  }

  async #reloadAll(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false
      const { rules } = this.#todo
      try {
        await this.#reloadOnce()
      } catch (error) {
        const problems = problemsOf(error)
        // A folder that goes on being bad is told of once.
        if (isDeepStrictEqual(rules.lastReload?.problems, problems)) continue
        rules.note({ outcome: 'rejected', at: hostClock.now(), problems })
        this.#todo.log.warn(
          `the rules on disk are not good; those that run go on:\n${problems.join('\n')}`,
          { problems },
        )
      }
    }
  }

  async #reloadOnce(): Promise<void> {
    const { rules, monitor, log } = this.#todo
    const { job } = monitor
    // It starts with what was good last, and looks then.
    if (job === null) return
    const onDisk = await rules.source.reload()
    const known = new Map(rules.current.map((checked) => [checked.rule.id, checked]))
    const changed = onDisk.changed.filter(
      ({ rule }) => !isDeepStrictEqual(known.get(rule.id)?.rule, rule),
    )
    if (changed.length === 0 && onDisk.rules.length === known.size) {
      if (rules.lastReload?.outcome === 'rejected') log.info('the rules on disk are those that run')
      rules.note({ outcome: 'unchanged', at: hostClock.now(), problems: [] })
      onDisk.accept()
      return
    }
    await tryOut(changed)
    const replaced = await job.replaceRules(onDisk.rules)
    onDisk.accept()
    rules.note({ outcome: 'replaced', at: hostClock.now(), problems: [] }, onDisk.rules)
    log.info(replacedText(changed, known, onDisk.rules, replaced), {
      rules: onDisk.rules.length,
      pause_ms: replaced.pauseMs,
    })
  }
}

/** What of a run has to do with its rules. */
export type ReloadedRun = Pick<RunToDo, 'rules' | 'monitor' | 'log'>

class FailedTests extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Runs the rules' own tests; the stream goes on between two rules. */
async function tryOut(rules: readonly CheckedRule[]): Promise<void> {
  const problems: string[] = []
  for (const checked of rules) {
    for (const result of runRuleTests(checked, { files: eventFiles(checked) })) {
      if (!result.passed) problems.push(`${checked.rule.id}: ${failureText(result).trim()}`)
    }
    await setImmediate()
  }
  if (problems.length > 0) throw new FailedTests(problems)
}

function problemsOf(error: unknown): string[] {
  if (error instanceof InvalidInput) return error.problems.map(formatProblem)
  if (error instanceof FailedTests) return [...error.problems]
  return [error instanceof Error ? error.message : String(error)]
}

function replacedText(
  changed: readonly CheckedRule[],
  known: ReadonlyMap<string, CheckedRule>,
  found: readonly CheckedRule[],
  { added, pauseMs }: RulesReplaced,
): string {
  const anew = new Set(added.map(({ id }) => id))
  const there = new Set(found.map(({ rule }) => rule.id))
  const lines = changed.map(({ rule: { id } }) => {
    if (!known.has(id)) return `+ ${id}`
    return anew.has(id) ? `~ ${id}: starts anew` : `~ ${id}: goes on`
  })
  for (const id of known.keys()) if (!there.has(id)) lines.push(`- ${id}`)
  return `the rules are others from here on; the stream waited ${pauseMs} ms:\n${lines.join('\n')}`
}
