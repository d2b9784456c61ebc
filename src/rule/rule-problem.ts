import type { ErrorCode } from '../errors.ts'

/** One mistake in a file, or one doubt about it: where, what was expected, and a near name. */
export interface RuleProblem {
  readonly code: ErrorCode
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
  /** Path of the keyword, as `detect.sequence[1].where`; empty is the document. */
  readonly path: string
  /** Says what was expected; ends with "did you mean `x`?" where `suggestion` is given. */
  readonly message: string
  readonly suggestion?: string
}

/** Puts problems in order of file, line and column; a file's order is that of `files`. */
export function sortProblems(
  problems: readonly RuleProblem[],
  files: readonly string[] = [],
): RuleProblem[] {
  const rank = new Map(files.map((file, index) => [file, index]))
  const rankOf = (problem: RuleProblem): number => rank.get(problem.file) ?? files.length
  return [...problems].sort(
    (a, b) => rankOf(a) - rankOf(b) || a.line - b.line || a.column - b.column,
  )
}

/** `file:line:column: message (CODE at path)`: one line for people. */
export function formatProblem(problem: RuleProblem): string {
  const at = problem.path === '' ? '' : ` at ${problem.path}`
  const { file, line, column, message, code } = problem
  return `${file}:${line}:${column}: ${message} (${code}${at})`
}

/** `: did you mean \`x\`?`, or nothing. */
export function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : `: did you mean \`${suggestion}\`?`
}
