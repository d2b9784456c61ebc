import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseConfig } from '../../app/config.ts'
import { configSchema } from '../../app/config-schema.ts'
import { connectors } from '../../connectors/registry.ts'
import type { DeadLetterCause } from '../../src/index.ts'
import { folderWith, ndjson, root, tocsin } from './command-line.ts'

const cli = readFileSync(join(root, 'docs/cli.md'), 'utf8')
const configuration = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** What code blocks of a language say, in order. */
function blocks(text: string, language: string): string[] {
  const fences = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))
  return [...fences].map(([, block]) => block as string)
}

/** Arguments of the lines that call tocsin; quotes keep words together. */
function calls(text: string): string[][] {
  return blocks(text, 'sh')
    .flatMap((block) => block.split('\n'))
    .filter((line) => line.startsWith('npx tocsin '))
    .map((line) => [...line.replace(/ +#.*/, '').matchAll(/'([^']*)'|(\S+)/g)])
    .map((words) => words.map(([, quoted, word]) => quoted ?? (word as string)).slice(2))
}

function durable(directory: string): string {
  return (
    'streams: { payments: { source: { file: { path: payments.ndjson } }, time: { field: ts } } }\n' +
    'sinks: { here: { file: { path: durable.ndjson }, default: true } }\n' +
    'rules: rules/card-testing.rule.yaml\n' +
    `state: { dir: ${directory}, backend: rocksdb }\n`
  )
}

describe('docs/cli.md', () => {
  beforeAll(() => {
    const rule = readFileSync(join(root, 'rules/card-testing.rule.yaml'), 'utf8')
    const folder = folderWith({
      'stricter.yaml': rule.slice(0, rule.indexOf('tests:')).replace('> 500', '> 5000'),
      'tocsin.yaml':
        'streams:\n  payments: { source: { file: { path: payments.ndjson } }, time: { field: ts } }\n' +
        ['auth', 'logins', 'telemetry']
          .map(
            (kind) =>
              `  ${kind}: { source: { generator: { kind: ${kind}, count: 5 } }, time: { field: ts } }\n`,
          )
          .join('') +
        'sinks: { here: { file: { path: run.ndjson }, default: true } }\n',
      'durable.yaml': durable('state/'),
      'moved.yaml': durable('moved/'),
      'payments.ndjson': ndjson(
        { ts: 1_767_225_600_000, card: 'c1', status: 'approved', amount: 1, merchant: 'm1' },
        { ts: 1_767_225_601_000, card: 'c1', status: 'approved', amount: 900, merchant: 'm2' },
      ),
    })
    cpSync(join(root, 'rules'), join(folder, 'rules'), { recursive: true })
    process.chdir(folder)
  })

  it.each(calls(cli).map((args) => [args.join(' '), args] as const))(
    'tocsin %s',
    async (_, args) => {
      const { code, err } = await tocsin(...args)
      expect([code, /^error:|not yet/m.test(err) ? err : '']).toEqual([0, ''])
    },
  )

  it('has an example of every command', async () => {
    const help = (await tocsin('help')).out
    const commands = [...help.matchAll(/^ {2}([a-z]+) /gm)].map(([, command]) => command)
    const shown = new Set(calls(cli).map(([command]) => command))
    expect(commands.filter((command) => command !== 'help' && !shown.has(command))).toEqual([])
  })
})

describe('docs/configuration.md', () => {
  it('has an example that is accepted', () => {
    const [example] = blocks(configuration, 'yaml')
    const result = parseConfig('/etc/tocsin/tocsin.yaml', example as string, {
      environment: { TODAY: 'monday' },
      readFile: () => '{}',
    })
    expect(result).toMatchObject({ kind: 'valid' })
  })

  it('names every keyword', () => {
    const named = new Set(
      [...configuration.matchAll(/`([a-z_.]+)(?:: [a-z]+)?`/g)].map(([, name]) => name),
    )
    const keywords = keywordsOf(configSchema).filter((keyword) => !keyword.startsWith('$'))
    expect(
      keywords.filter((keyword) => !named.has(keyword) && !named.has(`state.${keyword}`)),
    ).toEqual([])
  })

  it('names every cause of a dead letter that a rule job knows', () => {
    const table = configuration.slice(configuration.indexOf('| `cause` |'))
    const causes = [...table.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name)
    const known: Record<Exclude<DeadLetterCause, 'parse'>, true> = {
      json: true,
      too_long: true,
      format: true,
      schema: true,
      time: true,
      future: true,
      key: true,
    }
    expect(causes.slice(1).sort()).toEqual(Object.keys(known).sort())
  })
})

describe('docs/kafka.md', () => {
  const text = readFileSync(join(root, 'docs/kafka.md'), 'utf8')

  it('has an example that is accepted', () => {
    const [example] = blocks(text, 'yaml')
    const sources = { environment: {}, readFile: () => '{}' }
    expect(parseConfig('/etc/tocsin/tocsin.yaml', example as string, sources)).toMatchObject({
      kind: 'valid',
    })
  })

  it('names every option of a source', () => {
    const options = Object.keys(connectors.get('kafka')?.source?.options.properties ?? {})
    expect(options.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})

/** Keywords of a configuration, without the options of connectors. */
function keywordsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { properties, additionalProperties } = schema as Record<string, unknown>
  const named = Object.entries((properties ?? {}) as Record<string, unknown>)
  return [
    ...named.flatMap(([name, below]) => [name, ...(connectors.has(name) ? [] : keywordsOf(below))]),
    ...keywordsOf(additionalProperties),
  ]
}

describe('README.md', () => {
  it('takes a reader from a rule to an alert', async () => {
    const [rule] = blocks(readme, 'yaml')
    const [events] = blocks(readme, 'json')
    const folder = folderWith({
      'my-rules/climbing.yaml': rule as string,
      'payments.ndjson': events as string,
    })
    const section = readme.slice(
      readme.indexOf('## A first rule'),
      readme.indexOf('## Beside Kafka'),
    )
    process.chdir(folder)
    const codes: number[] = []
    for (const args of calls(section)) codes.push((await tocsin(...args)).code ?? -1)
    expect(codes).toEqual([0, 0, 0, 0])
    const alert = JSON.parse(readFileSync(join(folder, 'alerts.ndjson'), 'utf8'))
    expect(alert.title).toBe('Card c1: 12, and up to 210')
  })
})
