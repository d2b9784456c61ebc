import { setTimeout } from 'node:timers/promises'
import type { Source, SourcePosition } from '../../src/connector/source.ts'
import { TocsinError } from '../../src/errors.ts'
import { type ByteInput, LineReader } from '../line-reader.ts'
import { Random } from './random.ts'
import {
  createTraffic,
  type GeneratedEvent,
  type PlantedEvent,
  type Traffic,
  type TrafficKind,
  type TrafficOptions,
} from './traffic.ts'

/** What a generator makes; the same options give the same bytes. */
export interface GeneratorOptions extends TrafficOptions {
  readonly kind: TrafficKind
  /** Events in all; `null`: it never ends. */
  readonly count: number | null
  /** Events made in a second; `null`, the default: as many as are read. */
  readonly rate?: number | null
}

/** A source of made-up traffic in which fraud and faults are planted. */
export function generatorSource(options: GeneratorOptions): Source {
  const { kind, seed, startMs, eventsPerSecond } = options
  const detail = { kind, seed, startMs, eventsPerSecond }
  return {
    bounded: options.count !== null,
    replayable: true,
    async open(stream, positions) {
      const position = positions?.get(0)
      if (position !== undefined) checkPosition(position, detail)
      const offset = position?.offset ?? 0
      const input = generatedInput(options, offset)
      const reader = new LineReader({ stream, partition: 0 }, input, {
        start: { offset, byte: 0 },
        positionAt: (next) => ({ ...detail, offset: next.offset }),
      })
      return [reader]
    },
  }
}

/** Other options make other events: the position would be one among those. */
function checkPosition(
  position: SourcePosition,
  detail: Readonly<Record<string, number | string>>,
): void {
  for (const [name, value] of Object.entries(detail)) {
    if (position[name] === value) continue
    throw new TocsinError(
      'SOURCE_POSITION',
      `cannot go on at event ${position.offset + 1} of the generator: its ${name} was ` +
        `${position[name]} and is ${value}; set it back`,
    )
  }
}

/** The generated events as lines of JSON, from event `first` on. */
function generatedInput(options: GeneratorOptions, first: number): ByteInput {
  const events = generateEvents(options)
  const { count, rate = null } = options
  let made = 0
  while (made < first && !events.next().done) made++
  let left: Buffer = Buffer.alloc(0)
  const startedAt = performance.now()
  /** How many may have been made by now. */
  const allowed = () =>
    rate === null
      ? Number.POSITIVE_INFINITY
      : first + Math.floor(((performance.now() - startedAt) * rate) / 1000)
  return {
    name: `generator of ${options.kind}`,
    async fill(buffer, start, end) {
      let at = start
      if (left.length === 0 && made >= allowed()) {
        await setTimeout(idleAfterMs)
        if (made >= allowed()) return null
      }
      const limit = allowed()
      while (at < end) {
        if (left.length === 0) {
          if (made >= limit) break
          const next = events.next()
          if (next.done) break
          made++
          left = Buffer.from(`${JSON.stringify(next.value)}\n`)
        }
        const copied = left.copy(buffer, at, 0, Math.min(left.length, end - at))
        left = left.subarray(copied)
        at += copied
      }
      return at - start
    },
    // The unit of a generator's progress is the event.
    progress: () => ({ read: made, total: count ?? undefined }),
    close: async () => undefined,
  }
}

/** How long a poll waits for events before it says that there are none, ms. */
const idleAfterMs = 50

/** Ordinary and planted events in order of time, `count` of them. */
export function* generateEvents(options: GeneratorOptions): Generator<GeneratedEvent, void> {
  const { kind, seed, startMs, eventsPerSecond } = options
  const count = options.count ?? Number.POSITIVE_INFINITY
  const traffic = createTraffic(kind, options)
  const random = new Random(seed)
  const planted: PlantedEvent[] = []
  let stories = 0
  let made = 0
  for (let ordinal = 0; made < count; ordinal++) {
    const at = startMs + Math.floor((ordinal * 1000) / eventsPerSecond)
    for (; storyBegin(traffic, startMs, stories) <= at; stories++) {
      const begin = storyBegin(traffic, startMs, stories)
      planted.push(...traffic.story(stories, begin, new Random(seed + stories + 1)))
      planted.sort((a, b) => a.at - b.at)
    }
    while (made < count && planted[0] !== undefined && planted[0].at <= at) {
      yield planted[0].event
      planted.shift()
      made++
    }
    const event = made < count ? traffic.ordinary(ordinal, at, random) : null
    if (event === null) continue
    yield event
    made++
  }
}

/** The first story begins one period after the start: nothing is planted before there is traffic. */
function storyBegin(traffic: Traffic, startMs: number, story: number): number {
  return startMs + (story + 1) * traffic.storyPeriodMs
}
