// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${` is what references are written with.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WebhookSink } from '../../connectors/webhook/sink.ts'
import { startHTTPReceiver, status } from '../harness/http-receiver.ts'
import { type MailServer, startMailServer } from '../harness/mail-server.ts'
import { folderWith, ndjson, tocsin } from './command-line.ts'

/** None of these may stand anywhere but in what refers to it. */
const canaries = {
  password: 'canary-pa55 wörd',
  token: 'canary-token-of-the-hook',
  path: '/services/canary-path',
  signing: 'canary-signing-secret',
  literal: 'canary-written-into-the-file',
}

const closing: (() => Promise<void>)[] = []
let mail: MailServer
let hook: Awaited<ReturnType<typeof startHTTPReceiver>>

beforeEach(async () => {
  mail = await startMailServer({ users: { ada: 'another' } })
  hook = await startHTTPReceiver()
  closing.push(
    () => mail.close(),
    () => hook.close(),
  )
  const password = encodeURIComponent(canaries.password)
  vi.stubEnv('SMTP_URL', `smtp://ada:${password}@localhost:${mail.port}`)
  vi.stubEnv('HOOK_URL', `${hook.url}${canaries.path}`)
  vi.stubEnv('TOKEN', canaries.token)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0)) await close()
})

const config = `
streams: { payments: { source: { file: { path: payments.ndjson } }, time: { field: ts } } }
sinks:
  oncall: { email: { smtp: "\${SMTP_URL}", to: [ops@example.org], retry: { max_attempts: 1 } }, default: true }
  hook:
    webhook:
      url: "\${HOOK_URL}"
      allow_private: true
      headers: { authorization: "Bearer \${TOKEN}", x-key: ${canaries.literal} }
      signing_secret: file:signing
      retry: { max_attempts: 1 }
    default: true
`

function folder(text = config): string {
  return folderWith({
    'tocsin.yaml': text,
    signing: `${canaries.signing}\n`,
    'payments.ndjson': ndjson({ ts: 1, card: 'c1' }, { ts: 2, card: 'c2' }, { n: 1 }),
    'rules/each.yaml': 'id: each\nfrom: payments\nby: card\ndetect: { event: {} }\n',
  })
}

/** What of a text is secret, however it is written. */
function leaksIn(text: string): string[] {
  return Object.values(canaries).filter((canary) =>
    [
      canary,
      encodeURIComponent(canary),
      JSON.stringify(canary).slice(1, -1),
      Buffer.from(canary).toString('base64').replace(/=+$/, ''),
    ].some((form) => text.includes(form)),
  )
}

/** All that a command has left in a folder, but for the configuration and its secrets. */
function filesIn(at: string): string {
  return readdirSync(at, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'tocsin.yaml' && name !== 'signing')
    .map((name) => join(at, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n')
}

describe('secrets of a configuration', () => {
  it.each([
    ['run', []],
    ['replay', ['--output', 'OUT']],
    ['check', []],
    ['check', ['--format', 'json']],
    ['check', ['--format', 'sarif']],
    ['check', ['--connect']],
    ['test', []],
    ['explain', ['each']],
    ['dead-letters', ['list']],
    ['dead-letters', ['retry']],
    ['dead-letters', ['export', '--output', 'OUT']],
  ])('are not shown by tocsin %s %j, nor kept', async (command, args) => {
    const at = folder()
    const all = args.map((arg) => (arg === 'OUT' ? join(at, 'out') : arg))
    // An endpoint that repeats what it is sent.
    const repeat = status(400, {}, `you sent Bearer ${canaries.token} to ${canaries.path}`)
    hook.answers.push(repeat, repeat, repeat, repeat)
    if (command === 'dead-letters') await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    const { out, err } = await tocsin(command, ...all, '--config', join(at, 'tocsin.yaml'))
    expect([leaksIn(out), leaksIn(err), leaksIn(filesIn(at))]).toEqual([[], [], []])
    expect(`${out}${err}`.length).toBeGreaterThan(0)
  })

  it.each([
    ['a keyword that is not known', 'url: "${HOOK_URL}"', 'uri: "${HOOK_URL}"'],
    ['a value of another type', 'signing_secret: file:signing', 'signing_secret: [file:signing]'],
    ['a secret that is too short', 'signing_secret: file:signing', 'signing_secret: canary-pa55'],
    ['a URL that is none', 'smtp: "${SMTP_URL}"', 'smtp: "x${SMTP_URL}"'],
    ['a header that cannot be', 'x-key:', '"x key":'],
    ['a secret in the place of a duration', 'max_attempts: 1 } }', 'max_age: "${TOKEN}" } }'],
    ['a secret as a name of a rule folder', 'sinks:', 'rules: "${TOKEN}"\nsinks:'],
    [
      'a file of state that cannot be',
      'sinks:',
      'state: { dir: "payments.ndjson/${TOKEN}" }\nsinks:',
    ],
  ])('are not shown beside a mistake: %s', async (_, from, to) => {
    const at = folder(config.replace(from, to))
    for (const command of ['check', 'run', 'test']) {
      const { code, out, err } = await tocsin(command, '--config', join(at, 'tocsin.yaml'))
      expect([command, code === 0 ? out : '', leaksIn(out), leaksIn(err)]).toEqual([
        command,
        '',
        [],
        [],
      ])
    }
  })

  it('are not shown by a crash', async () => {
    const bug = new Error(`a stack with ${canaries.token} and ${canaries.literal} in it`)
    vi.spyOn(WebhookSink.prototype, 'open').mockRejectedValue(bug)
    const at = folder()
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    vi.restoreAllMocks()
    expect([code, err.includes('a bug in Tocsin'), leaksIn(err)]).toEqual([3, true, []])
    expect(err).toContain('a stack with ${TOKEN} and [secret] in it')
  })

  it('are hidden in what is said, the short words are not', async () => {
    const at = folder(config.replace('payments.ndjson', '"${NAME}/${TOKEN}"'))
    vi.stubEnv('NAME', 'none')
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect([code, leaksIn(err)]).toEqual([3, []])
    expect(err).toContain('none/${TOKEN}')
  })
})

describe('tocsin check --connect', () => {
  it('tries all, sends nothing, and says what came of each', async () => {
    const at = folder()
    const { code, out, err } = await tocsin(
      'check',
      '--connect',
      '--config',
      join(at, 'tocsin.yaml'),
    )
    expect([code, out]).toEqual([3, ''])
    expect(err.replaceAll(/localhost:\d+/g, 'HOST')).toBe(
      'rules: 1 valid, 0 errors, 0 warnings\n' +
        'stream payments: connected, 1 partition(s)\n' +
        'sink oncall: failed: the mail server localhost cannot be used: Invalid login: 535 wrong ' +
        'password [secret]; check user and password\n' +
        'sink hook: connected\n',
    )
    expect([mail.mails, hook.requests]).toEqual([[], []])
    await hook.close()
    const again = await tocsin('check', '--connect', '--config', join(at, 'tocsin.yaml'))
    expect(again.err).toMatch(
      /^sink hook: failed: the webhook http:\/\/localhost:\d+ cannot be reached/m,
    )
  })

  it('tries files', async () => {
    const at = folderWith({
      'tocsin.yaml': `
streams: { s: { source: { file: { path: none.ndjson } }, time: { field: ts } } }
sinks: { a: { file: { path: none/a.ndjson } }, b: { file: { path: b.ndjson } }, c: { file: { path: . } }, d: { stdout: {} } }
`,
    })
    const { code, err } = await tocsin('check', '--connect', '--config', join(at, 'tocsin.yaml'))
    expect(code).toBe(3)
    expect(err.replaceAll(at, 'AT')).toBe(
      'rules: 0 valid, 0 errors, 0 warnings\n' +
        'stream s: failed: cannot open AT/none.ndjson: there is no such file\n' +
        'sink a: failed: cannot write AT/none/a.ndjson: there is no folder AT/none; create it, or choose another path\n' +
        'sink b: connected\n' +
        'sink c: failed: cannot write AT: it is a folder; name a file in it\n' +
        'sink d: not tried: nothing is connected to\n',
    )
    expect(readdirSync(at)).toEqual(['tocsin.yaml'])
  })
})
