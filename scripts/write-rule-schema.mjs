// Writes the published JSON Schema of a rule from its source; run after a build.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { ruleSchema } from '../dist/src/rule/rule-schema.js'

const file = 'src/rule/rule.schema.json'
writeFileSync(file, `${JSON.stringify(ruleSchema, null, 2)}\n`)
process.exitCode = spawnSync('npx', ['biome', 'format', '--write', file], {
  stdio: 'inherit',
}).status
