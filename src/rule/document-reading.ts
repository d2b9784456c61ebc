import { parseDuration } from '../connector/duration.ts'
import type { ErrorCode } from '../errors.ts'
import { isWithin, joinPath, parentPath } from './document-path.ts'
import { parseISOTime } from './iso-time.ts'
import { didYouMean, type RuleProblem } from './rule-problem.ts'
import type { YAMLDocument } from './yaml-document.ts'

/**
 * The reading of one document into a model. It goes on after mistakes, so that all are found: a
 * value of a wrong type reads as absent, since the schema has reported it, and what follows from
 * such a mistake is not reported again.
 */
export class DocumentReading {
  readonly document: YAMLDocument
  readonly problems: RuleProblem[] = []
  readonly warnings: RuleProblem[] = []
  readonly #tainted: ReadonlySet<string>

  constructor(document: YAMLDocument, schemaProblems: readonly RuleProblem[]) {
    this.document = document
    this.#tainted = new Set(
      schemaProblems
        .filter(({ code }) => code !== 'RULE_NOT_YET')
        .flatMap(({ path, suggestion }) =>
          suggestion === undefined ? [path] : [path, joinPath(parentPath(path) ?? '', suggestion)],
        ),
    )
  }

  /** Whether a mistake at this place or above it is known already. */
  isTainted(path: string): boolean {
    for (let at: string | null = path; at !== null; at = parentPath(at)) {
      if (this.#tainted.has(at)) return true
    }
    return false
  }

  /** Whether a mistake at this place or below it is known already. */
  holdsTaint(path: string): boolean {
    return [...this.#tainted].some((tainted) => isWithin(tainted, path))
  }

  report(code: ErrorCode, path: string, message: string, suggestion?: string): void {
    if (!this.isTainted(path)) this.problems.push(this.#problem(code, path, message, suggestion))
  }

  /** As `report`, of a keyword or name that should not be there: it points at the key. */
  reportKey(code: ErrorCode, path: string, message: string, suggestion?: string): void {
    if (this.isTainted(path)) return
    const problem = this.#problem(code, path, message, suggestion)
    this.problems.push({ ...problem, ...this.document.locateKey(path) })
  }

  warn(path: string, message: string): void {
    this.warnings.push(this.#problem('RULE_LINT', path, message))
  }

  /** A duration in milliseconds; `null` where it is absent or wrong, which is reported. */
  duration(value: unknown, path: string, least: 'zero' | 'positive' = 'positive'): number | null {
    if (typeof value !== 'string') return null
    const parsed = parseDuration(value)
    if ('problem' in parsed) {
      this.report('RULE_SCHEMA', path, parsed.problem)
      return null
    }
    if (parsed.ms > 0 || least === 'zero') return parsed.ms
    this.report('RULE_SCHEMA', path, 'expected a duration of more than 0')
    return null
  }

  /** A time in epoch milliseconds; `null` where it is absent or wrong, which is reported. */
  time(value: unknown, path: string): number | null {
    if (typeof value !== 'string') return null
    const parsed = parseISOTime(value)
    if ('ms' in parsed) return parsed.ms
    this.report('RULE_SCHEMA', path, parsed.problem)
    return null
  }

  /** The one of these keywords that the object has; `null` is reported, none or several. */
  exactlyOne<Keyword extends string>(
    object: PlainObject,
    path: string,
    choices: readonly Keyword[],
  ): Keyword | null {
    const present = choices.filter((choice) => Object.hasOwn(object, choice))
    if (present.length === 1) return present[0] as Keyword
    const meant = choices.some((choice) => this.isTainted(joinPath(path, choice)))
    if (present.length === 0 && meant) return null
    const names = (some: readonly string[]) => some.map((one) => `\`${one}\``).join(', ')
    const has = present.length === 0 ? 'none' : names(present)
    this.report('RULE_SCHEMA', path, `expected exactly one of ${names(choices)}, got ${has}`)
    return null
  }

  #problem(code: ErrorCode, path: string, message: string, suggestion?: string): RuleProblem {
    const location = this.document.locate(path)
    const problem = { code, ...location, path, message: message + didYouMean(suggestion) }
    return suggestion === undefined ? problem : { ...problem, suggestion }
  }
}

export type PlainObject = Readonly<Record<string, unknown>>

/** The value as a map; an empty one where it is none. */
export function objectOf(value: unknown): PlainObject {
  return isObject(value) ? value : {}
}

export function isObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as a list; an empty one where it is none. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

/** The texts of a list, or the one text. */
export function textsOf(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value]
  return list.filter((item) => typeof item === 'string')
}

/** The value if it is one of these words. */
export function wordOf<Word extends string>(value: unknown, words: readonly Word[]): Word | null {
  return words.find((word) => word === value) ?? null
}
