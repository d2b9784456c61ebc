import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureInChild, median } from './child-process.ts'
import { matchLines } from './match-lines.ts'
import type { PatternMeasurement } from './measure-pattern.ts'
import type { CheckpointFigures } from './watched-checkpoints.ts'

/** A line of the result of `--state rocksdb`: names are stable, programs read them. */
export interface DurableBenchResult {
  readonly pattern: string
  readonly state: 'rocksdb'
  readonly cache_bytes: number
  readonly events: number
  readonly matches: number
  readonly sha256: string
  /** Whether matches and checksum are those of the run in memory. */
  readonly same_as_memory: boolean
  readonly events_per_second: number
  readonly memory_events_per_second: number
  /** Of the two. */
  readonly ratio: number
  readonly checkpoints: number
  readonly dirty_keys_max: number
  /** The longest time without the end of a batch while a checkpoint was under way. */
  readonly checkpoint_pause_ms: number
  /** The same where none was. */
  readonly other_pause_ms: number
  readonly rss_peak_bytes: number
  readonly memory_rss_peak_bytes: number
}

export interface DurableBenchOptions {
  readonly pattern: string
  readonly ruleFile: string
  readonly input: string
  readonly outOfOrdernessMs: number
  readonly cacheBytes: number
  readonly runs: number
}

/** Runs a pattern in memory and on RocksDB in turn, each in a process of its own. */
export function measureDurable(options: DurableBenchOptions): DurableBenchResult {
  const memory: Run[] = []
  const durable: Run[] = []
  for (let run = 0; run < options.runs; run++) {
    memory.push(runOnce(options, 'none'))
    durable.push(runOnce(options, String(options.cacheBytes)))
  }
  const [first] = durable as [Run, ...Run[]]
  const rate = (runs: readonly Run[]) => first.events / median(runs.map(({ seconds }) => seconds))
  const greatest = (figure: keyof CheckpointFigures) =>
    Math.max(...durable.map(({ checkpoints }) => checkpoints?.[figure] ?? 0))
  const peak = (runs: readonly Run[]) => Math.max(...runs.map(({ rssPeakBytes }) => rssPeakBytes))
  return {
    pattern: options.pattern,
    state: 'rocksdb',
    cache_bytes: options.cacheBytes,
    events: first.events,
    matches: first.matches,
    sha256: first.sha256,
    same_as_memory: [...memory, ...durable].every(({ sha256 }) => sha256 === first.sha256),
    events_per_second: Math.round(rate(durable)),
    memory_events_per_second: Math.round(rate(memory)),
    ratio: Math.round((rate(durable) / rate(memory)) * 100) / 100,
    checkpoints: greatest('checkpoints'),
    dirty_keys_max: greatest('dirtyKeysMax'),
    checkpoint_pause_ms: Math.round(greatest('pauseMsMax')),
    other_pause_ms: Math.round(greatest('otherPauseMsMax')),
    rss_peak_bytes: peak(durable),
    memory_rss_peak_bytes: peak(memory),
  }
}

interface Run extends PatternMeasurement {
  readonly matches: number
  readonly sha256: string
}

function runOnce(options: DurableBenchOptions, cache: string): Run {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'))
  try {
    const output = join(folder, 'alerts.ndjson')
    const { ruleFile, input, outOfOrdernessMs } = options
    const parameters = [ruleFile, input, output, String(outOfOrdernessMs), cache]
    const measured = measureInChild('measure-pattern.js', folder, parameters)
    const lines = matchLines(readFileSync(output, 'utf8'))
    return { ...measured, matches: lines.length, sha256: checksumOf(lines) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The workload's checksum of matches. */
export function checksumOf(lines: readonly string[]): string {
  return createHash('sha256')
    .update(lines.map((line) => `${line}\n`).join(''))
    .digest('hex')
}

export function durableText(result: DurableBenchResult): string {
  const number = (value: number) => value.toLocaleString('en-US')
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  return (
    `${result.pattern}  ${number(result.events_per_second)} events/s on rocksdb, ` +
    `${result.ratio} x in memory (${number(result.memory_events_per_second)})  ` +
    `${number(result.matches)} matches, ${result.same_as_memory ? 'the same' : 'NOT THE SAME'}\n` +
    `    ${result.checkpoints} checkpoints, at most ${number(result.dirty_keys_max)} keys in one; ` +
    `longest pause ${result.checkpoint_pause_ms} ms in a checkpoint, ` +
    `${result.other_pause_ms} ms outside; resident at most ${mebibytes(result.rss_peak_bytes)}, ` +
    `in memory ${mebibytes(result.memory_rss_peak_bytes)}\n    sha256 ${result.sha256}\n`
  )
}
