#!/usr/bin/env node
import { existsSync } from 'node:fs'

const cli = new URL('../dist/app/cli.js', import.meta.url)
if (existsSync(cli)) {
  const { main } = await import(cli.href)
  process.exitCode = await main(process.argv.slice(2))
} else {
  process.stderr.write('tocsin: the build is missing; run `npm run build` in the package first\n')
  process.exitCode = 3
}
