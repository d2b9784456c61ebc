import { connectors } from '../connectors/registry.ts'
import {
  defaultWatermarkStrategy,
  type HistoryRange,
  type JobStream,
  parseDuration,
  type Source,
  TocsinError,
} from '../src/index.ts'
import type { Config, StreamConfig } from './config.ts'

/** What a command line says of the streams of a replay. */
export interface ReplayInputs {
  /** `STREAM=FILE`, in order; several files of one stream are its partitions. */
  readonly inputs: readonly string[]
  /** Default `ts`, or what the configuration says. */
  readonly time: string | undefined
  /** Default 0s, or what the configuration says. */
  readonly outOfOrderness: string | undefined
}

/**
 * The streams of a replay: those of the configuration, with inputs in place of their sources.
 * @throws {TocsinError} USAGE
 */
export function replayStreams(
  { inputs, time, outOfOrderness }: ReplayInputs,
  config: Config | null,
  range: HistoryRange,
): Map<string, JobStream> {
  const streams = new Map<string, JobStream>()
  for (const stream of config?.streams ?? []) {
    streams.set(stream.name, historyOf(jobStream(stream), range))
  }
  const lagMs = outOfOrderness === undefined ? undefined : durationOf(outOfOrderness)
  for (const [name, files] of filesByStream(inputs)) {
    const configured = streams.get(name)?.time
    const field = time?.split('.') ?? configured?.field ?? ['ts']
    const strategy = configured?.watermarks ?? ofInput
    streams.set(name, {
      source: sourceOf(files),
      time: {
        ...streams.get(name)?.time,
        field,
        unit: configured?.unit ?? 'ms',
        watermarks: { ...strategy, outOfOrdernessMs: lagMs ?? strategy.outOfOrdernessMs },
      },
    })
  }
  return streams
}

/** A configured stream as a job reads it. */
export function jobStream({ source, time, schema }: StreamConfig): JobStream {
  return {
    source,
    time: {
      field: time.field.split('.'),
      unit: time.unit,
      watermarks: {
        outOfOrdernessMs: time.outOfOrdernessMs,
        idleAfterMs: time.idleAfterMs ?? Number.POSITIVE_INFINITY,
        maxDriftMs: time.maxDriftMs,
        maxFutureSkewMs: time.maxFutureSkewMs,
      },
      ...(schema === null ? {} : { check: schema.check }),
    },
  }
}

/**
 * A stream as it was. Of times of ingest only a source knows that keeps a history; of others nothing
 * is known, and so no event is too far ahead. A record may be older than its event by what its stream
 * allows for: the history begins so much earlier.
 */
function historyOf({ source, time }: JobStream, { from, to }: HistoryRange): JobStream {
  const { maxFutureSkewMs } = time.watermarks
  if (source.history !== undefined) {
    const range = {
      ...(from === undefined ? {} : { from: from - maxFutureSkewMs }),
      ...(to === undefined ? {} : { to }),
    }
    return { source: source.history(range), time }
  }
  const watermarks = { ...time.watermarks, maxFutureSkewMs: Number.POSITIVE_INFINITY }
  return { source, time: { ...time, watermarks } }
}

/** A file that is slow to read is not idle. */
const ofInput = {
  ...defaultWatermarkStrategy,
  idleAfterMs: Number.POSITIVE_INFINITY,
  maxFutureSkewMs: Number.POSITIVE_INFINITY,
}

function filesByStream(inputs: readonly string[]): Map<string, string[]> {
  const files = new Map<string, string[]>()
  for (const input of inputs) {
    const at = input.indexOf('=')
    const stream = input.slice(0, at)
    const file = input.slice(at + 1)
    if (at < 1 || file === '') {
      const message = `--input ${input}: expected STREAM=FILE, such as payments=payments.ndjson`
      throw new TocsinError('USAGE', message)
    }
    files.set(stream, [...(files.get(stream) ?? []), file])
  }
  return files
}

function sourceOf(files: readonly string[]): Source {
  const fromStdin = files.length === 1 && files[0] === '-'
  const connector = connectors.get(fromStdin ? 'stdin' : 'file')
  const options = fromStdin ? {} : { path: files }
  const source = connector?.source?.create(options, { directory: process.cwd() })
  if (source === undefined) throw new Error('files and stdin are sources')
  return source
}

function durationOf(text: string): number {
  const duration = parseDuration(text)
  if ('ms' in duration) return duration.ms
  throw new TocsinError('USAGE', `--out-of-orderness: ${duration.problem}`)
}
