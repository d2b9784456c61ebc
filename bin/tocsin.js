#!/usr/bin/env node
import { existsSync } from 'node:fs'

const cli = new URL('../dist/app/cli.js', import.meta.url)
if (existsSync(cli)) {
  const { main } = await import(cli.href)
  process.exitCode = await main(process.argv.slice(2))
  // A source that was waited for in vain would keep the process alive.
  if (process.exitCode === 130) process.exit()
} else {
  process.stderr.write('tocsin: the build is missing; run `npm run build` in the package first\n')
  process.exitCode = 3
}
