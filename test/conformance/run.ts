import { caseFiles, readCases } from './case-files.ts'
import { runCase } from './run-case.ts'

/**
 * `npm run conformance -- FILE_OR_DIR...`: runs case files through the rule engine, prints each
 * difference, and closes with `N passed, N failed`. Exit code 1 where one failed, 2 without files.
 */
function main(paths: readonly string[]): number {
  const files = paths.flatMap(caseFiles)
  if (files.length === 0) {
    process.stderr.write('usage: npm run conformance -- FILE_OR_DIR...\n')
    return 2
  }
  let passed = 0
  let failed = 0
  for (const file of files) {
    for (const testCase of readCases(file)) {
      const found = runCase(testCase)
      if (found.length === 0) passed++
      else {
        failed++
        process.stdout.write(`${file} › ${testCase.name}\n  ${found.join('\n  ')}\n`)
      }
    }
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

process.exitCode = main(process.argv.slice(2))
