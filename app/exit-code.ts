/** What a command's end means to a shell (names are stable). */
export const exitCodes = {
  fine: 0,
  findings: 1,
  invalid: 2,
  failed: 3,
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** The exit code of an error that ends a command. */
export function exitCodeOf(error: unknown): ExitCode {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
  if (name === 'InvalidInput') return exitCodes.invalid
  if (typeof code !== 'string') return exitCodes.failed
  const isInvalid = code === 'USAGE' || code === 'CONFIG_INVALID' || code.startsWith('RULE_')
  return isInvalid ? exitCodes.invalid : exitCodes.failed
}
