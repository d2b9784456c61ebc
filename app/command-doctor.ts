import { existsSync } from 'node:fs'
import { durableState } from '../connectors/registry.ts'
import { type Finding, stateFindings } from './doctor-state.ts'
import { systemFindings } from './doctor-system.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { readConfig } from './read-config.ts'
import { paint, type Terminal } from './terminal.ts'

export interface DoctorOptions {
  readonly config?: string
  readonly format: 'pretty' | 'json'
}

/**
 * `tocsin doctor`: looks at the machine and reads all of the state, with its checksums. Exit code 1
 * where something is wrong.
 */
export async function doctorCommand(options: DoctorOptions, terminal: Terminal): Promise<ExitCode> {
  const findings = await systemFindings(durableState.loadBinding)
  if (options.config !== undefined || existsSync('tocsin.yaml')) {
    const config = readConfig(options.config, terminal)
    findings.push(...(await stateFindings(config, terminal)))
  } else {
    const detail = 'there is no tocsin.yaml here, and no --config: no state was looked at'
    findings.push({ check: 'state', outcome: 'warning', detail })
  }
  if (options.format === 'json') terminal.print(`${JSON.stringify(findings, null, 2)}\n`)
  else terminal.print(findings.map((finding) => findingText(finding, terminal)).join(''))
  const isWrong = findings.some(({ outcome }) => outcome === 'failed')
  return isWrong ? exitCodes.findings : exitCodes.fine
}

function findingText({ check, outcome, detail }: Finding, { colors }: Terminal): string {
  const color = { fine: 'green', warning: 'yellow', failed: 'red' } as const
  return `${paint(outcome.padEnd(8), color[outcome], colors.print)}${check.padEnd(14)}${detail}\n`
}
