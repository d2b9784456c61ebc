import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Aedes } from 'aedes'

/** An MQTT broker on this machine, for tests. */
export interface TestBroker {
  readonly kind: 'mosquitto' | 'aedes'
  readonly port: number
  readonly url: string
  /** Ends it; sessions are kept where they can be. */
  stop(): Promise<void>
  /** Ends it at once. */
  kill(): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
  /** Stops it, and removes what it has kept. */
  remove(): Promise<void>
}

/** Where mosquitto is; undefined: it is not installed. */
export const mosquitto = ['mosquitto', '/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(
  (path) => spawnSync(path, ['-h']).error === undefined,
)

/** What a test of mosquitto is called where it is not installed. */
export const mosquittoName = mosquitto === undefined ? 'mosquitto (not installed)' : 'mosquitto'

/** Starts mosquitto, with more lines of configuration. */
export async function startMosquitto(lines: readonly string[] = []): Promise<TestBroker> {
  if (mosquitto === undefined) throw new Error('mosquitto is not installed')
  const binary = mosquitto
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-mosquitto-'))
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  const own = lines.some((line) => line.startsWith('listener '))
  const config = [
    ...(own ? [] : [`listener ${port} 127.0.0.1`]),
    ...(lines.some((line) => line.startsWith('allow_anonymous')) ? [] : ['allow_anonymous true']),
    // As root it would take another user, who may not read its folder.
    'user root',
    'persistence true',
    `persistence_location ${folder}/`,
    'max_queued_messages 0',
    'max_inflight_messages 1000',
    ...lines.map((line) => line.replace('PORT', String(port)).replace('FOLDER', folder)),
  ]
  writeFileSync(file, `${config.join('\n')}\n`)
  let child: ChildProcess | null = null
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child === null) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
    child = null
  }
  const broker: TestBroker = {
    kind: 'mosquitto',
    port,
    url: `mqtt://127.0.0.1:${port}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      const started = spawn(binary, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
      child = started
      let log = ''
      started.stderr.on('data', (chunk) => {
        log += chunk
      })
      await untilListening(port, () => {
        if (started.exitCode !== null) throw new Error(`mosquitto has ended: ${log}`)
      })
    },
    async remove() {
      await end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await broker.start()
  return broker
}

/** Starts aedes in this process: MQTT 3.1.1, no shared subscriptions; it forgets all when it stops. */
export async function startAedes(): Promise<TestBroker> {
  const port = await freePort()
  let running: { aedes: Aedes; server: Server; sockets: Set<Socket> } | null = null
  const stop = async () => {
    if (running === null) return
    const { aedes, server, sockets } = running
    running = null
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await new Promise<void>((resolve) => aedes.close(resolve))
  }
  const broker: TestBroker = {
    kind: 'aedes',
    port,
    url: `mqtt://127.0.0.1:${port}`,
    stop,
    kill: stop,
    async start() {
      const aedes = await Aedes.createBroker()
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        aedes.handle(socket)
      })
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      running = { aedes, server, sockets }
    },
    remove: stop,
  }
  await broker.start()
  return broker
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilListening(port: number, check: () => void): Promise<void> {
  for (;;) {
    check()
    const socket = connectSocket(port, '127.0.0.1')
    const isUp = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
    })
    socket.destroy()
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
