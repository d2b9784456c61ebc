// `npm run soak:kafka`: see `usage`. Exit code 1 where an alert is lost, doubled or different.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installKafka } from '../harness/kafka-distribution.ts'
import { soakKafka } from './kafka-soak.ts'

const usage = `npm run soak:kafka -- [--kills N] [--broker-kills N] [--events N] [--seed N]

Sends transactions to a real Kafka (200,000), runs \`tocsin run\` over them with alerts to Kafka, kills
it (30 times) and the broker (3 times), and compares what Kafka's own console consumer reads with a
run over files that nobody killed. Needs Java 17 or later, and, the first time, Maven.
`

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    'broker-kills': { type: 'string', default: '3' },
    events: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
  },
})
const [kills = 0, brokerKills = 0, events = 0, seed = 0] = [
  values.kills,
  values['broker-kills'],
  values.events,
  values.seed,
].map(Number)
if (![kills, brokerKills, events, seed].every((value) => Number.isInteger(value) && value >= 0)) {
  process.stderr.write(usage)
  process.exit(2)
}
const say = (text: string) => process.stderr.write(`${text}\n`)
const folder = mkdtempSync(join(tmpdir(), 'tocsin-soak-kafka-'))
const distribution = await installKafka(say)
const report = await soakKafka({ folder, distribution, kills, brokerKills, events, seed, say })
const { lost, duplicate, different } = report
process.stdout.write(
  `${report.kills} kills, ${report.brokerKills} of the broker, ${report.expected} alerts: ` +
    `${lost.length} lost, ${duplicate.length} duplicate, ${different.length} different\n`,
)
if (lost.length + duplicate.length + different.length === 0 && report.expected > 0) {
  rmSync(folder, { recursive: true })
} else {
  say(`everything is left in ${folder}`)
  process.exitCode = 1
}
