import { dirname, resolve } from 'node:path'
import type { RuleProblem, TimeUnit } from '../src/index.ts'
import { readConfigDocument } from './config.ts'
import { type Section, sectionOf } from './config-builder.ts'
import { type ConfigSources, hostConfigSources } from './config-sources.ts'

/** What a command needs to know that looks at events which it is given, and opens nothing. */
export interface ConfigOutline {
  /** Path of the rules' folder or file. */
  readonly rulesPath: string
  readonly stateDirectory: string
  readonly streams: ReadonlyMap<string, StreamOutline>
  /** Takes secrets out of what is said. */
  readonly conceal: (text: string) => string
}

export interface StreamOutline {
  /** Dots go down. */
  readonly timeField: string
  readonly timeUnit: TimeUnit
  readonly redact: readonly string[]
}

/** Places that an outline is made of: what is wrong there counts. */
const outlined = /^(?:rules$|streams\.\w+\.(?:time|redact)\b)/

/**
 * The outline of a configuration. What it names that is not built yet makes no difference, nor do
 * references elsewhere that refer to nothing on this machine.
 * @param needsState whether `stateDirectory` is asked for: else that may be such a reference
 */
export function parseConfigOutline(
  file: string,
  text: string,
  needsState: boolean,
  sources: ConfigSources = hostConfigSources(dirname(resolve(file))),
): ConfigOutline | { readonly problems: readonly RuleProblem[] } {
  const read = readConfigDocument(file, text, sources)
  if (read.kind === 'invalid') return read
  const mistakes = [
    ...read.unresolved.filter(
      ({ path }) => outlined.test(path) || (needsState && path === 'state.dir'),
    ),
    ...read.checked.filter(({ code }) => code !== 'RULE_NOT_YET'),
  ]
  if (mistakes.length > 0) return { problems: read.hide(mistakes) }
  const { rules, streams, state } = sectionOf(read.document.value)
  const { dir } = sectionOf(state)
  const rulesPath = typeof rules === 'string' ? rules : 'rules/'
  return {
    rulesPath: resolve(dirname(resolve(file)), rulesPath),
    stateDirectory: resolve(dirname(resolve(file)), typeof dir === 'string' ? dir : 'state/'),
    conceal: read.conceal,
    streams: new Map(
      Object.entries(sectionOf(streams)).map(([name, value]) => [
        name,
        outlineOf(sectionOf(value)),
      ]),
    ),
  }
}

function outlineOf({ time, redact }: Section): StreamOutline {
  const { field, unit } = sectionOf(time)
  return {
    timeField: field as string,
    timeUnit: (unit as TimeUnit | undefined) ?? 'ms',
    redact: (redact as readonly string[] | undefined) ?? [],
  }
}
