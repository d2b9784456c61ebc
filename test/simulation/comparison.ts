import type { JobSummary } from '../../src/rule/rule-job.ts'

/** What is wrong with the alerts of a sink, by their ids. */
export interface Difference {
  readonly lost: readonly string[]
  readonly duplicate: readonly string[]
  /** Not expected at all, or with another content. */
  readonly different: readonly string[]
}

/** Alerts by id, without when they were detected. */
export type ExpectedAlerts = ReadonlyMap<string, string>

/** @throws {Error} when the run that is the measure has an alert twice itself */
export function expectedAlerts(documents: readonly string[]): ExpectedAlerts {
  const expected = new Map(
    documents.map((document) => [idOf(document), withoutDetection(document)]),
  )
  if (expected.size !== documents.length) throw new Error('a run without faults has an alert twice')
  return expected
}

/**
 * Compares what a sink has with what it is to have.
 * @param once whether an alert may come once only; else it may come again, as it was
 */
export function differenceOf(
  expected: ExpectedAlerts,
  documents: readonly string[],
  once: boolean,
): Difference {
  const seen = new Map<string, string>()
  const duplicate: string[] = []
  const different: string[] = []
  for (const document of documents) {
    const id = idOf(document)
    const before = seen.get(id)
    if (expected.get(id) !== withoutDetection(document)) different.push(id)
    else if (before !== undefined && once) duplicate.push(id)
    else if (before !== undefined && before !== document) different.push(id)
    seen.set(id, document)
  }
  return { lost: [...expected.keys()].filter((id) => !seen.has(id)), duplicate, different }
}

/** An alert without when it was detected. */
export function withoutDetection(document: string): string {
  const { detected_at: _, ...rest } = JSON.parse(document)
  return JSON.stringify(rest)
}

/** What a job says of all its lives, and what it left out, as one text. */
export function accountOf(summary: JobSummary, leftOut: readonly string[]): string {
  const { expressionErrors: _, bufferedBytesMax: __, ...counts } = summary
  const plain = Object.entries(counts).map(([name, value]) => [
    name,
    value instanceof Map ? [...value].filter(([, count]) => count !== 0).sort() : value,
  ])
  return JSON.stringify([Object.fromEntries(plain), [...leftOut].sort()])
}

function idOf(document: string): string {
  return JSON.parse(document).id
}
