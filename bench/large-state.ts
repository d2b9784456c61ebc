import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseByteSize } from '../src/connector/byte-size.ts'

const usage = `usage: npm run bench:state -- [--keys 5000000] [--cache 256MiB] [--completed 100000] [--format json]
Runs a job that keeps an event of about 100 bytes open for each key, on RocksDB with a checkpoint each
second; kills it when half of the keys to be completed are; starts it again and lets it end.
`

/** `npm run bench:state`: see `usage`. Exit code 1 where alerts are missing or twice. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      keys: { type: 'string', default: '5000000' },
      cache: { type: 'string', default: '256MiB' },
      completed: { type: 'string', default: '100000' },
      format: { type: 'string', default: 'pretty' },
    },
  })
  const cache = parseByteSize(values.cache)
  const [keys, completed] = [Number(values.keys), Number(values.completed)]
  // The keys follow from a multiplication, which must not meet one twice.
  if ('problem' in cache || !(keys > 0) || keys % 7919 === 0 || !(completed <= keys)) {
    process.stderr.write(usage)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  try {
    const run = () => start(folder, keys, completed, cache.bytes)
    const first = await until(run(), (events) => events >= keys + completed / 2)
    const second = await until(run(), () => false)
    const lines = readFileSync(join(folder, 'alerts.ndjson'), 'utf8').split('\n').filter(Boolean)
    const cards = new Set(lines.map((line) => JSON.stringify(JSON.parse(line).by)))
    const isRight = lines.length === completed && cards.size === completed
    const result = {
      keys,
      cache_bytes: cache.bytes,
      load_events_per_second: Math.round(first.events / first.seconds),
      checkpoint_pause_ms: second.pauseMs,
      rss_peak_bytes: Math.max(first.rss, second.rss),
      recovery_ms: second.readyMs,
      alerts: lines.length,
      distinct_alerts: cards.size,
      is_right: isRight,
    }
    process.stdout.write(`${JSON.stringify(result, null, values.format === 'json' ? 0 : 2)}\n`)
    return isRight ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function start(folder: string, keys: number, completed: number, cacheBytes: number): ChildProcess {
  const script = fileURLToPath(new URL('measure-large-state.js', import.meta.url))
  const rule = join('bench', 'rules', 'large-state.rule.yaml')
  const parameters = [rule, folder, ...[keys, completed, cacheBytes].map(String)]
  return spawn(process.execPath, [script, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] })
}

interface Seen {
  events: number
  rss: number
  /** From the start of the process to its first batch. */
  readyMs: number
  pauseMs: number
  seconds: number
}

/** Runs a process to its end, or kills it when it has done so many events. */
async function until(child: ChildProcess, isEnough: (events: number) => boolean): Promise<Seen> {
  const seen: Seen = { events: 0, rss: 0, readyMs: 0, pauseMs: 0, seconds: 0 }
  const started = performance.now()
  const ended = new Promise<void>((resolve, reject) => {
    child.once('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve()
      else reject(new Error(`the job ended with ${code ?? signal}`))
    })
  })
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const [word, ...numbers] = line.split(' ')
    const [first = 0, second = 0, third = 0] = numbers.map(Number)
    seen.seconds = (performance.now() - started) / 1000
    if (word === 'ready') seen.readyMs = first
    else {
      seen.events = first
      seen.rss = second
      seen.pauseMs = third
    }
    if (word === 'batch' && isEnough(seen.events)) child.kill('SIGKILL')
  }
  await ended
  return seen
}

process.exitCode = await main()
