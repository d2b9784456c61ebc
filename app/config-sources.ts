import { resolve } from 'node:path'
import { readText } from './rule-folder.ts'

/** What a configuration refers to outside of its file. */
export interface ConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  /**
   * The text of a file, whose path starts at the configuration's folder.
   * @throws {Error} saying why it cannot be read
   */
  readFile(path: string): string
}

/** The environment and the files of this machine. */
export function hostConfigSources(directory: string): ConfigSources {
  return {
    environment: process.env,
    readFile: (path) => readText(resolve(directory, path)),
  }
}
