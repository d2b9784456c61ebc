import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { generateEvents, generatorSource } from '../../connectors/generator/source.ts'
import { type TrafficKind, trafficKinds } from '../../connectors/generator/traffic.ts'
import { readSource, replayConformance, sourceConformance } from './source-conformance.ts'

const startMs = Date.UTC(2026, 0, 1)
const MINUTE = 60_000

// biome-ignore lint/suspicious/noExplicitAny: generated events are read as a rule reads them.
type Row = any

function make(kind: TrafficKind, more: { seed?: number; count?: number } = {}): Row[] {
  const options = { kind, seed: 1, count: 10_000, startMs, eventsPerSecond: 5, ...more }
  return [...generateEvents(options)]
}

function byKey(events: readonly Row[], key: (event: Row) => string): Row[][] {
  const groups = new Map<string, Row[]>()
  for (const event of events) groups.set(key(event), [...(groups.get(key(event)) ?? []), event])
  return [...groups.values()]
}

describe('a generator', () => {
  const options = { kind: 'payments', seed: 1, count: 5000, startMs, eventsPerSecond: 5 } as const
  sourceConformance(() => generatorSource(options))
  replayConformance(() => generatorSource(options))

  it.each([
    [{ seed: 2 }, 'its seed was 1 and is 2'],
    [{ kind: 'auth' }, 'its kind was payments and is auth'],
    [{ eventsPerSecond: 6 }, 'its eventsPerSecond was 5 and is 6'],
    [{ startMs: 0 }, `its startMs was ${startMs} and is 0`],
  ] as const)('goes on only with the options that it had: %j', async (other, message) => {
    const { count: _, ...detail } = options
    const at = new Map([[0, { ...detail, offset: 9 }]])
    await expect(generatorSource({ ...options, ...other }).open('s', at)).rejects.toMatchObject({
      code: 'SOURCE_POSITION',
      message: `cannot go on at event 10 of the generator: ${message}; set it back`,
    })
    const [reader] = await generatorSource({ ...options, count: 6000 }).open('s', at)
    expect(reader!.progress()).toEqual({ read: 9, total: 6000 })
    await reader!.close()
  })

  it.each(trafficKinds)('makes as many %s as asked, in order of time', (kind) => {
    const events = make(kind)
    const times = events.map(({ ts }) => ts)
    expect(events).toHaveLength(10_000)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times[0]).toBe(startMs)
  })

  it.each(trafficKinds)('makes the same %s from a seed, and others from another', (kind) => {
    expect(make(kind)).toEqual(make(kind))
    expect(make(kind, { seed: 2 })).not.toEqual(make(kind))
  })

  it('gives its events as lines of JSON', async () => {
    const options = { kind: 'auth', seed: 3, count: 50, startMs, eventsPerSecond: 5 } as const
    const records = await readSource(generatorSource(options))
    expect(records.map(({ text }) => JSON.parse(text))).toEqual([...generateEvents(options)])
  })

  // The bytes belong to users' expectations: a change here changes every demo and fixture.
  it('makes these bytes', () => {
    const text = trafficKinds.map((kind) => JSON.stringify(make(kind))).join('\n')
    expect(createHash('sha256').update(text).digest('hex')).toMatchInlineSnapshot(
      `"ba7a6b014c1006b1c9ba51c6f2cd0258a116d326977a43755fa10b0b78f81b01"`,
    )
  })

  it('plants a stolen card every two minutes, and nothing like it elsewhere', () => {
    const cards = make('payments').filter(({ status, card }) => status === 'approved' && card)
    const drained = byKey(cards, ({ card }) => card).filter((charges) =>
      charges.some((probe, i) =>
        charges
          .slice(i + 1)
          .some(
            (drain) =>
              probe.amount <= 2 &&
              drain.amount > 500 &&
              drain.merchant !== probe.merchant &&
              drain.ts - probe.ts <= 10 * MINUTE,
          ),
      ),
    )
    expect(drained.map(([first]) => first.card)).toEqual(
      Array.from({ length: 16 }, (_, number) => `stolen-${number}`),
    )
  })

  it('plants impossible travel and guessed passwords in turn', () => {
    const logins = make('logins')
    const users = byKey(logins, ({ user }) => user)
    const travelled = users.filter((of) => new Set(of.map(({ country }) => country)).size > 1)
    const guessed = users.filter((of) =>
      of.some(
        (success) =>
          success.result === 'success' &&
          of.filter(
            ({ result, ts }) =>
              result === 'failure' && ts < success.ts && success.ts - ts <= 10 * MINUTE,
          ).length >= 5,
      ),
    )
    expect([travelled, guessed].map((found) => found.map(([first]) => first.user))).toEqual([
      [0, 2, 4, 6, 8, 10, 12, 14].map((number) => `traveller-${number}`),
      [1, 3, 5, 7, 9, 11, 13, 15].map((number) => `guessed-${number}`),
    ])
    expect(guessed[0]!.map(({ result }) => result)).toEqual([
      ...Array(5).fill('failure'),
      'success',
    ])
  })

  it('plants takeovers over two streams that agree on user and time', () => {
    const strangers = make('auth').filter(({ known_device }) => known_device === false)
    const changes = make('auth').filter(({ type }) => type === 'password_change')
    const transfers = make('payments').filter(({ type }) => type === 'transfer')
    const takeovers = Array.from({ length: 16 }, (_, number) => ({
      user: `victim-${number}`,
      login: startMs + (number + 1) * 2 * MINUTE,
    }))
    expect(strangers.map((event) => ({ user: event.user_id, login: event.ts }))).toEqual(takeovers)
    expect(changes.map((event) => ({ user: event.user_id, login: event.ts - 20_000 }))).toEqual(
      takeovers,
    )
    expect(
      transfers.map((event) => ({ user: event.account.owner, login: event.ts - MINUTE })),
    ).toEqual(takeovers)
  })

  it('plants a silent motor and a hot one', () => {
    const motors = byKey(make('telemetry', { count: 14_000 }), ({ device }) => device)
    const silent = motors.filter((of) =>
      of.some(({ ts }, i) => i > 0 && ts - of[i - 1].ts > 5 * MINUTE),
    )
    const hot = motors.filter((of) => of.some(({ value }) => value > 80))
    expect([silent, hot].map((found) => found.map(([first]) => first.device))).toEqual([
      ['d3', 'd10'],
      ['d5', 'd12'],
    ])
    const heating = hot[0]!.filter(({ value }) => value > 80)
    expect(heating.at(-1).ts - heating[0].ts).toBeGreaterThan(5 * MINUTE)
  })
})
