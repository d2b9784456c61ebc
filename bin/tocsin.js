#!/usr/bin/env node
import { existsSync } from 'node:fs'

const cli = new URL('../dist/app/cli.js', import.meta.url)
if (existsSync(cli)) {
  const { main } = await import(cli.href)
  process.exitCode = await main(process.argv.slice(2))
  if (process.exitCode === 130 || process.exitCode === 3) process.exit()
  // A source or sink that was waited for in vain would keep the process alive.
  setTimeout(() => process.exit(), 500).unref()
} else {
  process.stderr.write('tocsin: the build is missing; run `npm run build` in the package first\n')
  process.exitCode = 3
}
