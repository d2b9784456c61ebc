import type { RuleTestResult } from '../src/index.ts'

/** Test results in the XML form that build servers read: a suite for each rule. */
export function junitReport(results: readonly RuleTestResult[], elapsedMs: number): string {
  const suites = new Map<string, RuleTestResult[]>()
  for (const result of results) {
    suites.set(result.rule, [...(suites.get(result.rule) ?? []), result])
  }
  const seconds = (elapsedMs / 1000).toFixed(3)
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="tocsin" ${counts(results)} time="${seconds}">`,
  ]
  for (const [rule, own] of suites) {
    lines.push(`  <testsuite name="${escaped(rule)}" ${counts(own)}>`)
    lines.push(...own.flatMap(testCase), '  </testsuite>')
  }
  return `${[...lines, '</testsuites>'].join('\n')}\n`
}

function counts(results: readonly RuleTestResult[]): string {
  const failures = results.filter(({ passed }) => !passed).length
  return `tests="${results.length}" failures="${failures}"`
}

function testCase({ rule, test, passed, location, mismatches, notes }: RuleTestResult): string[] {
  const place = `file="${escaped(location.file)}" line="${location.line}"`
  const head = `    <testcase classname="${escaped(rule)}" name="${escaped(test)}" ${place}`
  if (passed) return [`${head}/>`]
  const texts = mismatches.map(
    ({ location: at, message }) => `${at.file}:${at.line}:${at.column}: ${message}`,
  )
  const first = escaped(mismatches[0]?.message ?? '')
  const body = escaped([...texts, ...notes.map((note) => `note: ${note}`)].join('\n'))
  return [`${head}>`, `      <failure message="${first}">${body}</failure>`, '    </testcase>']
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

/** XML 1.0 has no control characters, not even escaped ones. */
function escaped(text: string): string {
  return Array.from(text, (character) => {
    const isControl = character < ' ' && character !== '\n' && character !== '\t'
    return isControl ? '\ufffd' : (entities[character] ?? character)
  }).join('')
}
