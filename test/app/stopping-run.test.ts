import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AlertRouting } from '../../app/alert-routing.ts'
import { parseConfig } from '../../app/config.ts'
import { runDurably } from '../../app/durable-run.ts'
import { withInterrupt } from '../../app/interrupt.ts'
import { talkLog } from '../../app/log.ts'
import { runPlainly } from '../../app/plain-run.ts'
import { RuleSet } from '../../app/rule-set.ts'
import { RuleSource } from '../../app/rule-source.ts'
import { RunMonitor } from '../../app/run-monitor.ts'
import type { Terminal } from '../../app/terminal.ts'
import { ConnectorError, type JobSummary, type Sink, type Source } from '../../src/index.ts'
import { folderWith } from './command-line.ts'

const rule = 'id: large\nfrom: payments\nby: card\ndetect: { event: { where: amount > 110 } }\n'
const config = `
streams: { payments: { source: { generator: { kind: payments, unbounded: true, rate: 5000 } }, time: { field: ts } } }
sinks: { alerts: { stdout: {}, default: true } }
`
const durable = 'state: { backend: rocksdb, checkpoint_interval: 20ms }\n'

/** A sink that is away until it is let. */
class RemoteSink implements Sink {
  readonly taken: string[] = []
  readonly #attempted: () => void
  isAway: boolean

  constructor(isAway: boolean, attempted: () => void = () => undefined) {
    this.isAway = isAway
    this.#attempted = attempted
  }

  async open(): Promise<void> {}

  async write(documents: readonly string[]): Promise<void> {
    this.#attempted()
    if (this.isAway) throw away
    this.taken.push(...documents)
  }

  async close(): Promise<void> {}
}

const away = new ConnectorError('OUTPUT_UNWRITABLE', 'the pager is away', { retryable: true })

interface Options {
  readonly text?: string
  readonly sink?: Sink
  readonly source?: (configured: Source) => Source
  readonly graceMs?: number
  readonly restarts?: { readonly firstWaitMs: number; readonly restartsMax?: number }
}

/** Runs in this process; `stop` is what the user's signal would do. */
function start(folder: string, options: Options) {
  const { text = config + durable, sink, source, graceMs = 2000, restarts } = options
  const parsed = parseConfig(join(folder, 'tocsin.yaml'), text)
  if (parsed.kind === 'invalid') throw new Error(parsed.problems[0]?.message)
  const made = {
    ...parsed.config,
    streams: parsed.config.streams.map((stream) => ({
      ...stream,
      source: source?.(stream.source) ?? stream.source,
    })),
    sinks: parsed.config.sinks.map((each) => ({ ...each, sink: sink ?? each.sink })),
  }
  let said = ''
  let stop = () => {}
  const terminal: Terminal = {
    print: () => undefined,
    say: (line) => {
      said += line
    },
    colors: { print: false, say: false },
    progressColumns: null,
    onInterrupt: (listener) => {
      stop = listener
      return () => undefined
    },
  }
  const rules = new RuleSet(new RuleSource(made.rulesPath, {}))
  const done = withInterrupt(
    terminal,
    (stop) => {
      const log = talkLog(terminal)
      const routing = new AlertRouting(made.sinks, rules.current, log)
      const monitor = new RunMonitor({ now: Date.now, checkpointAgeMsMax: null })
      const todo = { config: made, rules, routing, terminal, stop, log, monitor }
      return made.checkpoints === null
        ? runPlainly(todo)
        : runDurably({ ...todo, control }, made.checkpoints, restarts)
    },
    graceMs,
  )
  return { done, stop: () => stop(), said: () => said }
}

/** Nobody asks. */
const control = { handle: () => undefined, close: async () => undefined }

const folder = () => folderWith({ 'rules/large.yaml': rule })

/** Transfers have no card: they are dead letters. */
function recordsOf({ events, deadLetters }: JobSummary): number {
  return events + deadLetters
}

function idsOf(documents: readonly string[]): string[] {
  return documents.map((document) => JSON.parse(document).id)
}

describe('a run that is stopped while its sink is away', () => {
  it('keeps what it has staged, says so, and the next run sends it', {
    timeout: 60_000,
  }, async () => {
    const at = folder()
    let attempts = 0
    const first = start(at, {
      sink: new RemoteSink(true, () => {
        if (++attempts === 3) first.stop()
      }),
    })
    const { exitCode, run } = await first.done
    expect([exitCode, run.summary.end]).toEqual([0, 'unsent'])
    const [, kept] =
      /the sink alerts has not taken (\d+) alerts in time; they lie in/.exec(first.said()) ?? []
    const sink = new RemoteSink(false)
    const second = start(at, { sink, graceMs: 20_000 })
    while (sink.taken.length < Number(kept)) await new Promise(setImmediate)
    second.stop()
    const { exitCode: secondCode, run: last } = await second.done
    expect([secondCode, last.summary.end]).toEqual([0, 'stopped'])
    const ids = idsOf(sink.taken)
    expect(Number(kept)).toBeGreaterThan(0)
    expect(ids.length).toBe(last.summary.alertsByRule.get('large'))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('keeps what it could not send, and fails, where it has no checkpoints', {
    timeout: 60_000,
  }, async () => {
    let attempts = 0
    const run = start(folder(), {
      text: config,
      sink: new RemoteSink(true, () => {
        if (++attempts === 2) run.stop()
      }),
    })
    const { exitCode } = await run.done
    expect(exitCode).toBe(3)
    expect(run.said()).toMatch(
      /^warning: the sink alerts did not take \d+ alerts: the run ended before it took it; they are kept/m,
    )
  })

  it('waits for a sink that comes back in time', { timeout: 60_000 }, async () => {
    let attempts = 0
    const sink = new RemoteSink(true, () => {
      if (++attempts === 2) run.stop()
      if (attempts === 3) sink.isAway = false
    })
    const run = start(folder(), { sink, graceMs: 20_000 })
    const { exitCode, run: done } = await run.done
    expect([exitCode, done.summary.end]).toEqual([0, 'stopped'])
    expect(sink.taken.length).toBe(done.summary.alertsByRule.get('large'))
  })
})

it('a run that is stopped leaves nothing that the next one would send again', {
  timeout: 60_000,
}, async () => {
  const at = folder()
  const sink = new RemoteSink(false)
  let alerts: number | undefined
  for (let run = 0; run < 3; run++) {
    const before = sink.taken.length
    const { done, stop } = start(at, { sink, graceMs: 20_000 })
    while (sink.taken.length < before + 50) await new Promise(setImmediate)
    stop()
    alerts = (await done).run.summary.alertsByRule.get('large')
  }
  const ids = idsOf(sink.taken)
  expect([new Set(ids).size, ids.length]).toEqual([alerts, alerts])
})

describe('a source that is away', () => {
  const gone = new ConnectorError('INPUT_UNREADABLE', 'the broker is away', { retryable: true })

  it('is waited for, when it is opened and later, and nothing is lost', {
    timeout: 60_000,
  }, async () => {
    let failures = 0
    const flaky = (source: Source): Source => ({
      ...source,
      async open(stream, positions) {
        if (++failures <= 2) throw gone
        const readers = await source.open(stream, positions)
        return readers.map((reader) => {
          let polls = 0
          return {
            split: reader.split,
            progress: () => reader.progress(),
            close: () => reader.close(),
            async pollBatch() {
              if (++polls === 2) throw gone
              return await reader.pollBatch()
            },
          }
        })
      },
    })
    const text = config.replace('unbounded: true, rate: 5000', 'count: 30000')
    const sink = new RemoteSink(false)
    const run = start(folder(), { text: text + durable, sink, source: flaky })
    const { exitCode, run: done } = await run.done
    expect([exitCode, done.summary.end, recordsOf(done.summary)]).toEqual([0, 'ended', 30_000])
    expect(sink.taken.length).toBe(done.summary.alertsByRule.get('large'))
    expect(run.said().match(/the broker is away; trying again in \d+ ms/g)).toHaveLength(3)
  })

  it('does not keep a run from being stopped', { timeout: 60_000 }, async () => {
    const at = folder()
    const run = start(at, {
      source: (source) => ({
        ...source,
        open: () => {
          run.stop()
          return new Promise(() => undefined)
        },
      }),
    })
    expect((await run.done).exitCode).toBe(0)
  })
})

describe('a fault of our own', () => {
  /** A source whose reader breaks, in its n-th poll, so many times. */
  function breaking(times: number) {
    let left = times
    return (source: Source): Source => ({
      ...source,
      async open(stream, positions) {
        const readers = await source.open(stream, positions)
        return readers.map((reader) => {
          let polls = 0
          return {
            split: reader.split,
            progress: () => reader.progress(),
            close: () => reader.close(),
            async pollBatch() {
              if (++polls === 4 && left-- > 0) throw new TypeError('undefined is not a function')
              return await reader.pollBatch()
            },
          }
        })
      },
    })
  }
  const text = config.replace('unbounded: true, rate: 5000', 'count: 60000') + durable

  it('is met by a restart from the last checkpoint', { timeout: 60_000 }, async () => {
    const sink = new RemoteSink(false)
    const run = start(folder(), { text, sink, source: breaking(2), restarts: { firstWaitMs: 1 } })
    const { exitCode, run: done } = await run.done
    expect([exitCode, done.summary.end, recordsOf(done.summary)]).toEqual([0, 'ended', 60_000])
    const ids = new Set(idsOf(sink.taken))
    expect(ids.size).toBe(done.summary.alertsByRule.get('large'))
    expect(run.said().match(/\(restart \d\)/g)).toEqual(['(restart 1)', '(restart 2)'])
  })

  it('ends the run when it comes too often', { timeout: 60_000 }, async () => {
    const restarts = { firstWaitMs: 1, restartsMax: 2 }
    const sink = new RemoteSink(false)
    const run = start(folder(), { text, sink, source: breaking(100), restarts })
    await expect(run.done).rejects.toThrow('undefined is not a function')
    expect(run.said().match(/\(restart \d\)/g)).toHaveLength(2)
  })
})

it('keeps what was left out in the folder of the state', async () => {
  const at = folder()
  const text = config.replace('unbounded: true, rate: 5000', 'count: 10')
  await start(at, { text: text + durable, sink: new RemoteSink(false) }).done
  expect(readdirSync(join(at, 'state'))).toContain('side-output')
})
