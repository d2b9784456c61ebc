// Copies what the compiler leaves behind into dist: JSON documents and the files of the web page.
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

copyAll('src', (name) => name.endsWith('.json'))
copyAll('connectors', (name) => name.endsWith('.json'))
copyAll('app', (name) => name.endsWith('.json') || /^web[\\/].*(?<!\.ts)$/.test(name))

function copyAll(folder, wanted) {
  const from = join(root, folder)
  if (!existsSync(from)) return
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    if (!entry.isFile() || !wanted(path.slice(from.length + 1))) continue
    const to = join(root, 'dist', folder, path.slice(from.length + 1))
    mkdirSync(dirname(to), { recursive: true })
    cpSync(path, to)
  }
}
