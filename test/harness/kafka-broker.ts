import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join, resolve } from 'node:path'
import type { KafkaDistribution } from './kafka-distribution.ts'
import { waitUntil } from './wait-until.ts'

export interface KafkaBrokerOptions {
  /** Data, ports, cluster id and log. One that a broker has used before is gone on with. */
  readonly directory: string
  readonly distribution: KafkaDistribution
  /** The port that clients use, of a new directory. Default: a free one. */
  readonly port?: number
  /** Properties of the server, over those that are set here, of a new directory. */
  readonly properties?: Readonly<Record<string, string>>
  /** A second listener, with TLS and SASL, of a new directory. */
  readonly secured?: SecuredListener
  readonly javaOptions?: readonly string[]
}

export interface SecuredListener {
  /** PEM of the certificate and its private key, which clients are to trust. */
  readonly certificate: string
  readonly key: string
  readonly username: string
  readonly password: string
}

/** One real Kafka broker on 127.0.0.1: KRaft, broker and controller in one process. */
export class KafkaBroker {
  readonly #options: KafkaBrokerOptions
  /** What clients connect to, `127.0.0.1:PORT`; the same after a restart. */
  readonly bootstrap: string
  /** The same of the second listener; undefined: there is none. */
  readonly securedBootstrap: string | undefined
  #child: ChildProcess | null = null

  private constructor(options: KafkaBrokerOptions, settings: string) {
    this.#options = options
    const addresses = [...settings.matchAll(/(\w+):\/\/([\d.]+:\d+)/g)]
    const addressOf = (listener: string) => addresses.find(([, name]) => name === listener)?.[2]
    const others = ['CONTROLLER', 'SECURED']
    this.bootstrap = addresses.find(([, name = '']) => !others.includes(name))?.[2] ?? ''
    this.securedBootstrap = addressOf('SECURED')
  }

  /** Starts a broker, and resolves when clients can use it. @throws {Error} says what its log says */
  static async start(given: KafkaBrokerOptions): Promise<KafkaBroker> {
    const options = { ...given, directory: resolve(given.directory) }
    const { directory, port, properties } = options
    mkdirSync(directory, { recursive: true })
    const settings = join(directory, 'server.properties')
    if (!existsSync(settings)) {
      const [free, controller, secured] = await freePorts()
      const plain = serverProperties(directory, port ?? free, controller)
      const second =
        options.secured === undefined ? {} : securedProperties(plain, secured, options.secured)
      const all = { ...plain, ...second, ...properties }
      writeFileSync(join(directory, 'log4j2.properties'), propertiesText(logProperties))
      writeFileSync(settings, propertiesText(all))
    }
    const broker = new KafkaBroker(options, readFileSync(settings, 'utf8'))
    if (!existsSync(join(directory, 'data/meta.properties'))) broker.#format()
    await broker.restart()
    return broker
  }

  /** Starts it on what it has kept, after `stop` or `kill`. @throws {Error} says what its log says */
  async restart(): Promise<void> {
    if (this.#isRunning()) throw new Error('the broker is running')
    const registered = join(this.#options.directory, 'registered')
    if (existsSync(registered)) {
      rmSync(registered)
      await this.#fence()
    }
    await this.#run('server.properties', 'Kafka Server started')
    writeFileSync(registered, '')
  }

  /**
   * Lets the controller alone notice that the broker has gone, as it does wherever a broker is away for
   * longer than its session. One that is back before believes at first that it still leads: it sends
   * the markers of a transaction that was being committed to itself, drops them as it is fenced (Kafka
   * 4.3.1, `TransactionMarkerChannelManager`), and the transaction hangs for good.
   */
  async #fence(): Promise<void> {
    const { directory } = this.#options
    const settings = readFileSync(join(directory, 'server.properties'), 'utf8')
    const alone = propertiesText(controllerProperties(settings))
    writeFileSync(join(directory, 'controller.properties'), alone)
    await this.#run('controller.properties', 'handleBrokerFenced')
    await this.stop()
  }

  /** Starts the server, and resolves when that stands in its log. */
  async #run(settings: string, ready: string): Promise<void> {
    const { directory } = this.#options
    const logFile = join(directory, 'kafka.log')
    rmSync(join(directory, 'pid'), { force: true })
    const log = openSync(logFile, 'w')
    const java = this.#java('kafka.Kafka', join(directory, settings))
    // Of a group of its own: Ctrl-C is for its owner, who stops it.
    this.#child = spawn('sh', ['-c', guarded, join(directory, 'pid'), ...java], {
      stdio: ['pipe', log, log],
      detached: true,
    })
    closeSync(log)
    const text = () => readFileSync(logFile, 'utf8')
    const isReady = () => text().includes(ready)
    const waiting = waitUntil(() => isReady() || !this.#isRunning(), 'Kafka starts', 120_000)
    await waiting.catch(() => undefined)
    if (isReady() && this.#isRunning()) return
    await this.kill()
    const lines = text().trimEnd().split('\n')
    const cause = lines.findLast((line) => line.startsWith('Caused by: '))
    const reason = cause?.slice('Caused by: '.length) ?? lines.slice(-10).join('\n')
    throw new Error(`Kafka did not start on ${this.bootstrap} in ${directory}: ${reason}`)
  }

  /** Resolves when it has ended, whoever ended it. */
  async ended(): Promise<void> {
    if (this.#child !== null && this.#isRunning()) await once(this.#child, 'close')
  }

  /** Ends it in order. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Ends it as a crash does. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === null || !this.#isRunning()) return
    const closed = once(child, 'close')
    const pidFile = join(this.#options.directory, 'pid')
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
    // Number 0 would be our own group. Without one the shell has not come so far: the end of its
    // pipe makes it kill what it starts.
    if (pid > 0) process.kill(pid, signal)
    else child.stdin?.end()
    await closed
  }

  #isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  #format(): void {
    const { directory } = this.#options
    // Every 64th such id begins with a hyphen, and would be taken for an option in a word of its own.
    const id = `--cluster-id=${randomBytes(16).toString('base64url')}`
    const settings = join(directory, 'server.properties')
    const format = this.#java('kafka.tools.StorageTool', 'format', id, '-c', settings)
    const { status, stdout, stderr } = spawnSync('java', format.slice(1), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${directory} cannot be formatted:\n${stdout}${stderr}`)
  }

  #java(...command: string[]): string[] {
    const { directory, distribution, javaOptions = [] } = this.#options
    const log = `-Dlog4j2.configurationFile=${directory}/log4j2.properties`
    const small = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-Djava.awt.headless=true', log]
    return [...javaCommand(distribution), ...small, ...javaOptions, ...command]
  }
}

/** The Java that Kafka's programs run in, with those options that make it start soon. */
export function javaCommand({ libraries, archive }: KafkaDistribution): string[] {
  const shared = existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`] : []
  const quick = ['-XX:TieredStopAtLevel=1', '-XX:+PerfDisableSharedMem', '-Xshare:auto']
  return ['java', '-cp', `${libraries}/*`, ...quick, ...shared]
}

/**
 * Runs the command, with its number in the file `$0`. When the pipe of the standard input ends, as
 * it does however the owner dies, the command is killed: no broker is left behind.
 */
const guarded = `
exec 3<&0
"$@" </dev/null 3<&- & command=$!
echo $command >"$0"
(cat <&3 >/dev/null; kill -KILL $command) 2>/dev/null & guard=$!
wait $command; code=$?
kill $guard
exit $code
`

/** They differ: all are held until all are known. */
async function freePorts(): Promise<readonly [number, number, number]> {
  const servers = [createServer(), createServer(), createServer()] as const
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  const portOf = (server: Server) => (server.address() as AddressInfo).port
  const ports = [portOf(servers[0]), portOf(servers[1]), portOf(servers[2])] as const
  for (const server of servers) await once(server.close(), 'close')
  return ports
}

/** One node, so one replica of everything, few partitions, few threads, small buffers. */
function serverProperties(directory: string, port: number, controller: number) {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'num.partitions': '1',
    'default.replication.factor': '1',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'background.threads': '2',
    'num.recovery.threads.per.data.dir': '2',
    'log.cleaner.dedupe.buffer.size': '4194304',
    'log.cleaner.io.buffer.size': '65536',
    'log.segment.bytes': '67108864',
    'queued.max.requests': '100',
    'controlled.shutdown.enable': 'false',
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '3000',
  }
}

/** Those of the controller alone, which notices soon that there is no broker. */
function controllerProperties(settings: string): Record<string, string> {
  const all = new Map(
    settings
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const listeners = all.get('listeners')?.split(',') ?? []
  const kept = ['node.id', 'controller.quorum.voters', 'controller.listener.names', 'log.dirs']
  return {
    ...Object.fromEntries(kept.map((name) => [name, all.get(name) ?? ''])),
    'process.roles': 'controller',
    listeners: listeners.find((each) => each.startsWith('CONTROLLER:')) ?? '',
    'broker.heartbeat.interval.ms': '100',
    'broker.session.timeout.ms': '500',
  }
}

function securedProperties(
  plain: ReturnType<typeof serverProperties>,
  port: number,
  { certificate, key, username, password }: SecuredListener,
) {
  const oneLine = (pem: string) => pem.trim().replaceAll('\n', '\\n')
  const listener = `SECURED://127.0.0.1:${port}`
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
  return {
    listeners: `${plain.listeners},${listener}`,
    'advertised.listeners': `${plain['advertised.listeners']},${listener}`,
    'listener.security.protocol.map': `${plain['listener.security.protocol.map']},SECURED:SASL_SSL`,
    'listener.name.secured.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.secured.plain.sasl.jaas.config': `${login} user_${username}="${password}";`,
    'listener.name.secured.ssl.keystore.type': 'PEM',
    'listener.name.secured.ssl.keystore.certificate.chain': oneLine(certificate),
    'listener.name.secured.ssl.keystore.key': oneLine(key),
  }
}

const logProperties = {
  'appender.out.type': 'Console',
  'appender.out.name': 'out',
  'appender.out.layout.type': 'PatternLayout',
  'appender.out.layout.pattern': '%d %p %c{1} %m%n',
  'rootLogger.level': 'INFO',
  'rootLogger.appenderRef.out.ref': 'out',
}

function propertiesText(properties: Readonly<Record<string, string>>): string {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  return lines.join('')
}
