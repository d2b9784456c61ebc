import { existsSync } from 'node:fs'
import { TocsinError } from '../src/index.ts'
import { type Config, parseConfig } from './config.ts'
import { type ConfigOutline, parseConfigOutline } from './config-outline.ts'
import { InvalidInput, sayWarnings } from './load-rules.ts'
import { readText } from './rule-folder.ts'
import type { Terminal } from './terminal.ts'

/** The configuration that commands read when none is named. */
export const defaultConfigPath = 'tocsin.yaml'

/**
 * Reads the configuration at a path, default `tocsin.yaml`.
 * @throws {TocsinError} CONFIG_INVALID or USAGE, and {InvalidInput} with every mistake
 */
export function readConfig(path: string | undefined, terminal: Terminal): Config {
  const file = path ?? defaultConfigPath
  if (path === undefined && !existsSync(file)) {
    const message = `there is no ${file} here; name one with --config, or go to its folder`
    throw new TocsinError('CONFIG_INVALID', message)
  }
  const result = parseConfig(file, readText(file))
  if (result.kind === 'invalid') throw new InvalidInput(result.problems)
  terminal.conceal?.(result.config.conceal)
  sayWarnings(result.warnings, terminal)
  return result.config
}

/**
 * The outline of the configuration at a path, default that of `tocsin.yaml`; empty where there is
 * no such file.
 * @param needsState whether its `stateDirectory` is asked for; default false
 * @throws {TocsinError} USAGE for a named file that is not there, and {InvalidInput} with every mistake
 */
export function readConfigOutline(
  path: string | undefined,
  terminal: Terminal,
  needsState = false,
): ConfigOutline {
  const file = path ?? defaultConfigPath
  if (path === undefined && !existsSync(file)) {
    const conceal = (text: string) => text
    return { rulesPath: 'rules/', stateDirectory: 'state/', streams: new Map(), conceal }
  }
  const result = parseConfigOutline(file, readText(file), needsState)
  if ('problems' in result) throw new InvalidInput(result.problems)
  terminal.conceal?.(result.conceal)
  return result
}

/** What each stream redacts, as rules are loaded with it. */
export function redactOf({ streams }: ConfigOutline): ReadonlyMap<string, readonly string[]> {
  return new Map([...streams].map(([name, { redact }]) => [name, redact]))
}
