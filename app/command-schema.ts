import { ruleSchema } from '../src/index.ts'
import { configSchema } from './config-schema.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import type { Terminal } from './terminal.ts'

/** `tocsin schema`: the JSON Schema of rules or of the configuration, for editors. */
export async function schemaCommand(
  what: 'rule' | 'config',
  terminal: Terminal,
): Promise<ExitCode> {
  const schema = what === 'config' ? configSchema : ruleSchema
  terminal.print(`${JSON.stringify(schema, null, 2)}\n`)
  return exitCodes.fine
}
