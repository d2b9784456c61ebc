import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { writeScripts } from '../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../harness/shared-kafka.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { RunningTocsin } from '../soak/running-tocsin.ts'
import { buildOnce, folderWith, root } from './command-line.ts'

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const start = readme.indexOf('## Beside Kafka')
const section = readme.slice(start, readme.indexOf('## Commands'))
const shell = promisify(execFile)

beforeAll(buildOnce, 120_000)

/** What code blocks of a language say, in order. */
function blocks(text: string, language: string): string[] {
  const fences = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))
  return [...fences].map(([, block]) => block as string)
}

describe.skipIf(!hasOwnKafka)('the steps of the README beside Kafka', () => {
  it('bring the alert of a rule that is dropped in while it runs', {
    timeout: 300_000,
  }, async () => {
    const bootstrap = await sharedKafka()
    const [payments, alerts] = [uniqueName('payments'), uniqueName('alerts')]
    const here = (text: string) =>
      text
        .replaceAll('localhost:9092', bootstrap)
        .replaceAll(/(topic:?) payments/g, `$1 ${payments}`)
        .replaceAll(/(topic:?) alerts/g, `$1 ${alerts}`)
    const [rule] = blocks(readme.slice(0, start), 'yaml')
    const [events] = blocks(readme.slice(0, start), 'json')
    const folder = folderWith({ 'payments.ndjson': events as string })
    mkdirSync(join(folder, 'my-rules'))
    writeFileSync(join(folder, 'my-rules/climbing.yaml'), rule as string)
    const [config] = blocks(section, 'yaml')
    // Jobs on one broker have names of their own.
    const named = here(config as string).replace(
      'state: {',
      `state: { job: ${uniqueName('job').replaceAll('-', '_')},`,
    )
    writeFileSync(join(folder, 'tocsin.yaml'), named)
    const path = `${writeScripts(ownKafka())}${delimiter}${process.env.PATH}`
    const run = async (block: string) => {
      const options = { cwd: folder, env: { ...process.env, PATH: path } }
      return (await shell('sh', ['-e', '-c', here(block)], options)).stdout
    }

    const [kafka, begin, drop, send, read] = blocks(section, 'sh') as [string, ...string[]]
    expect([kafka, begin?.endsWith('npx tocsin run\n')]).toEqual(['npm run kafka\n', true])
    await run((begin as string).replace('npx tocsin run\n', ''))
    const daemon = new RunningTocsin(folder)
    try {
      await waitUntil(() => daemon.said.includes('there is no rule in'), 'it waits for a rule')
      await run(drop as string)
      await waitUntil(() => daemon.said.includes('+ climbing'), 'the rule is taken up')
      await run(send as string)
      const alert = JSON.parse(await run(read as string))
      expect([alert.rule, alert.title]).toEqual(['climbing', 'Card c1: 12, and up to 210'])
    } finally {
      expect(await daemon.stop()).toBe(0)
    }
  })
})
