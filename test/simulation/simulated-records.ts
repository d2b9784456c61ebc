import type { Random } from '../../connectors/generator/random.ts'
import type { SimulatedSplit } from './simulated-source.ts'

export interface GeneratedSplitsOptions {
  /** `s` or `t`: what fields its events have. */
  readonly stream: string
  readonly splits: number
  readonly eventsMax: number
  /** Events come later than that now and then, ms. */
  readonly outOfOrdernessMs: number
}

/** When the events begin, epoch ms. */
export const firstEventMs = 1_767_225_600_000

/** Splits with events of a few keys, out of order, some of them late, and some that are none. */
export function generatedSplits(random: Random, options: GeneratedSplitsOptions): SimulatedSplit[] {
  const { splits, eventsMax, outOfOrdernessMs, stream } = options
  return Array.from({ length: splits }, () => {
    const count = random.next() < 0.1 ? 0 : random.integer(1, eventsMax)
    const stepMs = random.pick([100, 1000, 1000, 4000])
    const records = Array.from({ length: count }, (_, index) => {
      const delayMs = random.next() < 0.7 ? 0 : random.integer(0, outOfOrdernessMs * 1.3 + 5)
      const ts = firstEventMs + 20_000 + index * stepMs - delayMs
      return random.next() < 0.03 ? malformed(random, ts) : recordText(random, stream, ts)
    })
    return { records }
  })
}

/** Numbers and keys in all their spellings: a key that is written otherwise is still the same. */
function recordText(random: Random, stream: string, ts: number): string {
  const key = random.pick(keys)
  if (stream === 't') {
    const text = random.pick(['"a"', '"ab"', '"é\\n"', '"\\ud83d\\ude00 long enough to be a text"'])
    return `{"owner":${key},"n":${number(random)},"text":${text},"ts":${ts}}`
  }
  const name = random.pick(['"m0"', '"m1"', '"m2"', 'null'])
  const rest = random.next() < 0.1 ? '' : `,"n":${number(random)}`
  return random.next() < 0.5
    ? `{"ts":${ts},"k":${key},"m":${name}${rest}}`
    : `{"m":${name}${rest},"more":{"k":[1,"}"]},"k":${key},"ts":${ts}}`
}

const keys: readonly [string, ...string[]] = [
  '"k0"',
  '"k1"',
  '"k2"',
  '"ké"',
  '"\\u006b0"',
  '"k\\u0000"',
  '9007199254740993',
  '9007199254740992',
  '1.0',
  '1',
  'true',
]

function number(random: Random): string {
  const value = random.integer(0, 9)
  return random.pick([`${value}`, `${value}`, `${value}.0`, `${value}e0`, `${value * 10}e-1`])
}

function malformed(random: Random, ts: number): string {
  return random.pick([
    '{oops',
    '[]',
    '{"k":"k1","owner":"k1"}',
    `{"ts":${ts},"n":1}`,
    `{"ts":"soon","k":"k1"}`,
    `{"ts":${ts},"k":{"a":1},"owner":[]}`,
  ])
}
