import { parseArgs } from 'node:util'
import { type FuzzResult, fuzzDecimals, fuzzDecoders } from './decoder-difference.ts'

/*
 * npm run fuzz:decode -- [--records 200000] [--decimals 2000000] [--seed N]
 * Compares the scanner with the plain decoder; exits 1 at the first difference.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    decimals: { type: 'string', default: '2000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})
const seed = Number(values.seed)
console.log(`seed ${seed}`)
report('records', fuzzDecoders(seed, Number(values.records)))
report('decimals', fuzzDecimals(seed, Number(values.decimals)))

function report(what: string, result: FuzzResult): void {
  console.log(`${result.records} ${what}, ${result.valid} valid: ${result.difference ?? 'equal'}`)
  if (result.difference !== null) process.exitCode = 1
}
