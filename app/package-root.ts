import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the installed package: this file is in its `app` or its `dist/app`. */
export function packageRoot(): string {
  const above = dirname(dirname(fileURLToPath(import.meta.url)))
  return existsSync(join(above, 'package.json')) ? above : dirname(above)
}

export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version
}

/** The versions of Node.js that it runs on. */
export function packageEngines(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).engines.node
}
