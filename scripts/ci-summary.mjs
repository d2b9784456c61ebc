// `node scripts/ci-summary.mjs REPORT [FAILED STEP]...` prints what was skipped and what failed,
// and as its last line the count, from vitest's JSON report. A failed step counts as one failure.
import { existsSync, readFileSync } from 'node:fs'

const [reportFile, ...failedSteps] = process.argv.slice(2)
const report = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, 'utf8')) : undefined
const files = report?.testResults ?? []
const tests = files.flatMap(({ assertionResults }) => assertionResults)
const passed = tests.filter(({ status }) => status === 'passed')
const failedTests = tests.filter(({ status }) => status === 'failed')
const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed')
// A file that does not load has no tests that could fail.
const unloaded = files.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
)
const failed = [
  ...failedTests.map(({ fullName }) => fullName),
  ...unloaded.map(({ name }) => `${name} does not load`),
  // `npm test` fails because of the tests that are counted already.
  ...failedSteps.filter(
    (step) => step !== 'npm test' || failedTests.length + unloaded.length === 0,
  ),
  ...(report === undefined ? ['no test report was written'] : []),
]
for (const { fullName } of skipped) process.stdout.write(`skipped: ${fullName}\n`)
for (const name of failed) process.stdout.write(`failed: ${name}\n`)
const counts = [`${passed.length} passed`, `${failed.length} failed`]
if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
process.stdout.write(`${counts.join(', ')}\n`)
process.exitCode = failed.length > 0 || passed.length === 0 ? 1 : 0
