import type { Finding } from './doctor-state.ts'
import { packageEngines, packageVersion } from './package-root.ts'

/** What the machine is, and whether it is fit for state on disk. */
export async function systemFindings(loadBinding: () => Promise<unknown>): Promise<Finding[]> {
  return [
    { check: 'tocsin', outcome: 'fine', detail: packageVersion() },
    nodeFinding(process.versions.node),
    await rocksDBFinding(loadBinding),
    clockFinding(Date.now()),
  ]
}

/** Versions of Node.js are compared by the first two numbers. */
export function nodeFinding(version: string): Finding {
  const least = packageEngines().replace('>=', '')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number)
  const isOld = major < leastMajor || (major === leastMajor && minor < leastMinor)
  const detail = `${version} on ${process.platform}-${process.arch}`
  if (!isOld) return { check: 'node', outcome: 'fine', detail }
  return { check: 'node', outcome: 'failed', detail: `${detail}; ${least} or later is needed` }
}

async function rocksDBFinding(loadBinding: () => Promise<unknown>): Promise<Finding> {
  try {
    await loadBinding()
    const libc = glibcVersion()
    const detail = libc === null ? 'its library can be loaded' : `its library runs on glibc ${libc}`
    return { check: 'rocksdb', outcome: 'fine', detail }
  } catch (error) {
    return { check: 'rocksdb', outcome: 'failed', detail: (error as Error).message }
  }
}

/** `null` where there is none, as on macOS. */
function glibcVersion(): string | null {
  const report = process.report?.getReport() as
    | { readonly header?: { readonly glibcVersionRuntime?: string } }
    | undefined
  return report?.header?.glibcVersionRuntime ?? null
}

/** The first releases are of this year: a clock before it was never set. */
const leastTime = Date.UTC(2026, 0, 1)

export function clockFinding(now: number): Finding {
  const detail = new Date(now).toISOString()
  if (now >= leastTime) return { check: 'clock', outcome: 'fine', detail }
  return { check: 'clock', outcome: 'failed', detail: `${detail}: the clock is not set` }
}
