// Puts into dist what the compiler leaves behind: JSON documents, the files of the web page, and the
// JSON Schemas that editors use, written from the modules that the checks use.
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

copyAll('src', (name) => name.endsWith('.json'))
copyAll('connectors', (name) => name.endsWith('.json'))
copyAll('app', (name) => name.endsWith('.json') || /^web[\\/].*(?<!\.ts)$/.test(name))

await publishSchema('src/rule/rule-schema.js', 'ruleSchema', 'src/rule/rule.schema.json')
await publishSchema('app/config-schema.js', 'configSchema', 'app/config.schema.json')

async function publishSchema(module, name, file) {
  const path = join(root, 'dist', module)
  if (!existsSync(path)) return
  const { [name]: schema } = await import(pathToFileURL(path).href)
  writeFileSync(join(root, 'dist', file), `${JSON.stringify(schema, null, 2)}\n`)
}

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
