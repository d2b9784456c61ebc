import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'

/**
 * The yardstick: reads the file in blocks, splits it into lines and parses each with `JSON.parse`,
 * and does nothing else. Arguments: input, result file.
 */
function main(): void {
  const [input, resultFile] = process.argv.slice(2) as string[]
  const started = performance.now()
  const file = openSync(input as string, 'r')
  const block = Buffer.allocUnsafe(1 << 20)
  let rest: Buffer = Buffer.alloc(0)
  let events = 0
  let sum = 0
  for (;;) {
    const read = readSync(file, block, 0, block.length, null)
    if (read === 0) break
    const bytes = Buffer.concat([rest, block.subarray(0, read)])
    let start = 0
    for (;;) {
      const end = bytes.indexOf(10, start)
      if (end < 0) break
      // What is parsed is used, or an optimiser might leave it out.
      sum += JSON.parse(bytes.toString('utf8', start, end)).ts & 1
      events++
      start = end + 1
    }
    rest = bytes.subarray(start)
  }
  closeSync(file)
  const seconds = (performance.now() - started) / 1000
  writeFileSync(resultFile as string, JSON.stringify({ events, seconds, sum }))
}

main()
