import { describe, expect, it } from 'vitest'
import type { UndeliveredAlert } from '../../src/checkpoint/delivery-queue.ts'
import { Outbox, type OutboxOptions } from '../../src/checkpoint/outbox.ts'
import { type DeliveryPolicy, PartialWriteError, type Sink } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { SimulatedTime } from '../simulation/simulated-time.ts'

const away = (retryAfterMs?: number) =>
  new ConnectorError('OUTPUT_UNWRITABLE', 'away', {
    retryable: true,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
const refused = new ConnectorError('OUTPUT_UNWRITABLE', 'refused', { retryable: false })
const busy = new ConnectorError('OUTPUT_UNWRITABLE', 'busy', { retryable: true })

/** What a write does with the ids that it is given, or nothing: it takes them. */
type Answer = (ids: readonly string[], at: number) => void

class AnsweringSink implements Sink {
  readonly policy: DeliveryPolicy
  /** When, and which ids, as they came. */
  readonly writes: (readonly [number, string])[] = []
  readonly #time: SimulatedTime
  readonly #answer: Answer

  constructor(time: SimulatedTime, policy: DeliveryPolicy, answer: Answer = () => undefined) {
    this.policy = policy
    this.#time = time
    this.#answer = answer
  }

  async open(): Promise<void> {}

  async write(_: readonly string[], ids: readonly string[] = []): Promise<void> {
    this.writes.push([this.#time.now(), ids.join(' ')])
    this.#answer(ids, this.#time.now())
  }

  async close(): Promise<void> {}
}

/** Fails these ids of a write with this failure, and takes the others. */
function failing(ids: readonly string[], failure: ConnectorError, which: readonly string[]): void {
  const failures = new Map(
    ids.flatMap((id, index) => (which.includes(id) ? [[index, failure] as const] : [])),
  )
  if (failures.size > 0) throw new PartialWriteError(failure.message, failures)
}

async function fed(policy: DeliveryPolicy, answer?: Answer, more: Partial<OutboxOptions> = {}) {
  const time = new SimulatedTime(0)
  const sink = new AnsweringSink(time, policy, answer)
  const givenUp: UndeliveredAlert[] = []
  const outbox = new Outbox({
    name: 'oncall',
    delivery: { kind: 'at_least_once', sink },
    clock: time,
    scheduler: time,
    onUndelivered: (undelivered) => givenUp.push(...undelivered) > 0,
    ...more,
  })
  await outbox.open()
  outbox.restore({ checkpoint: 0, committed: undefined, staged: [] }, undefined)
  let checkpoint = 0
  /** Makes a checkpoint of these alerts. */
  const send = (...ids: string[]) => {
    for (const id of ids) outbox.stage({ id, document: `{"id":"${id}"}` })
    outbox.prepareCommit(++checkpoint)
    return outbox.notifyCheckpointComplete(checkpoint)
  }
  /** What was given up, by id. */
  const undelivered = () =>
    givenUp.map(({ alert, failure, attempts }) => [alert.id, failure.message, attempts])
  return { time, sink, outbox, send, undelivered }
}

describe('alerts of a sink that takes them at least once', () => {
  it('that are not taken hold up no others, and wait longer each time', async () => {
    let left = 3
    const { time, sink, send, undelivered } = await fed({}, (ids) => {
      if (ids.includes('b') && left-- > 0) failing(ids, busy, ['b'])
    })
    const all = send('a', 'b', 'c')
    await time.run(Promise.all([all, time.sleep(150).then(() => send('d'))]))
    expect(sink.writes).toEqual([
      [0, 'a b c'],
      [100, 'b'],
      [150, 'd'],
      [300, 'b'],
      [700, 'b'],
    ])
    expect(undelivered()).toEqual([])
  })

  it('try one by one whether a sink that was away is back', async () => {
    const { time, sink, send } = await fed({}, (_, at) => {
      if (at < 1000) throw away()
    })
    await time.run(send('a', 'b', 'c'))
    expect(sink.writes.slice(0, 3)).toEqual([
      [0, 'a b c'],
      [100, 'a'],
      [300, 'b'],
    ])
    expect(sink.writes.slice(1, -1).every(([, ids]) => ids.length === 1)).toBe(true)
    expect(sink.writes.length).toBeLessThan(9)
  })

  it('are given up when they are refused, one by one, once their checkpoint is through', async () => {
    const seen: unknown[] = []
    let outbox: Outbox | null = null
    const fixture = await fed({}, (ids) => failing(ids, refused, ['b']), {
      onUndelivered: (undelivered) => {
        seen.push(
          undelivered.map(({ alert }) => alert.id),
          outbox?.isAheadOfSnapshot,
        )
        return true
      },
    })
    outbox = fixture.outbox
    await fixture.time.run(fixture.send('a', 'b', 'c'))
    expect([seen, outbox.isAheadOfSnapshot, outbox.bytes]).toEqual([[['b'], false], true, 0])
    expect(outbox.prepareCommit(9)).toEqual({ staged: undefined, committed: 1 })
    expect(outbox.isAheadOfSnapshot).toBe(false)
  })

  it('are given up after the last attempt', async () => {
    const { time, sink, send, undelivered } = await fed({ retry: { attemptsMax: 3 } }, (ids) =>
      failing(ids, busy, ['a']),
    )
    await time.run(send('a', 'b'))
    expect(sink.writes).toEqual([
      [0, 'a b'],
      [100, 'a'],
      [300, 'a'],
    ])
    expect(undelivered()).toEqual([['a', 'busy', 3]])
  })

  it('are given up when they are too old, tried or not', async () => {
    const { time, sink, send, undelivered } = await fed({ retry: { ageMaxMs: 5000 } }, () => {
      throw away()
    })
    const all = Array.from({ length: 250 }, (_, index) => `a${index}`)
    await time.run(send(...all))
    expect(
      undelivered()
        .map(([id]) => id)
        .sort(),
    ).toEqual([...all].sort())
    expect(undelivered().at(-1)).toEqual(['a249', 'away', 0])
    expect([time.now() >= 5000, time.now() < 13_000, sink.writes.length < 10]).toEqual([
      true,
      true,
      true,
    ])
  })

  it('wait for as long as the sink asks, but not for ever', async () => {
    const asked = [20_000, 10 ** 12]
    const { time, sink, send } = await fed({}, () => {
      const retryAfterMs = asked.shift()
      if (retryAfterMs !== undefined) throw away(retryAfterMs)
    })
    await time.run(send('a'))
    expect(sink.writes.map(([at]) => at)).toEqual([0, 20_000, 3_620_000])
  })

  it('wait scattered between the half and the whole of a wait', async () => {
    let draws = 0
    const { time, sink, send } = await fed(
      {},
      (_, at) => {
        if (at < 200) throw away()
      },
      { random: () => [0.5, 0, 0][draws++] ?? 0 },
    )
    await time.run(send('a'))
    // Of 100: both waits are drawn, the longer one counts; then of 200.
    expect(sink.writes.map(([at]) => at)).toEqual([0, 75, 175, 375])
  })

  it('are kept in the outbox while nobody can take what is given up', async () => {
    let room = 3
    const taken: string[] = []
    const { time, outbox, send } = await fed({}, (ids) => failing(ids, refused, ids), {
      onUndelivered: (undelivered) => {
        if (room-- > 0) return false
        taken.push(...undelivered.map(({ alert }) => alert.id))
        return true
      },
    })
    await time.run(send('a'))
    expect([taken, time.now(), outbox.bytes]).toEqual([['a'], 3000, 0])
  })

  it('fail the job where nobody takes what is refused', async () => {
    const { time, outbox, send } = await fed({}, (ids) => failing(ids, refused, ['a']))
    const alone = new Outbox({
      name: 'oncall',
      delivery: {
        kind: 'at_least_once',
        sink: new AnsweringSink(time, {}, () => failing(['a'], refused, ['a'])),
      },
      clock: time,
      scheduler: time,
    })
    await alone.open()
    alone.restore({ checkpoint: 0, committed: undefined, staged: [] }, undefined)
    alone.stage({ id: 'a', document: '{}' })
    alone.prepareCommit(1)
    await expect(alone.notifyCheckpointComplete(1)).rejects.toThrow('refused')
    await time.run(send('b'))
    expect(outbox.bytes).toBe(0)
  })
})

describe('a digest', () => {
  const policy = { digest: { max: 3, everyMs: 60_000 } }

  it('takes alerts of several checkpoints: so many, or those of so long', async () => {
    const { time, sink, send } = await fed(policy)
    const done = Promise.all([
      send('a'),
      time.sleep(10_000).then(() => send('b', 'c', 'd', 'e')),
      time.sleep(20_000).then(() => send('f')),
    ])
    await time.run(done)
    expect(sink.writes).toEqual([
      [10_000, 'a b c'],
      [20_000, 'd e f'],
    ])
  })

  it('is sent when its time is over', async () => {
    const { time, sink, send } = await fed(policy)
    await time.run(Promise.all([send('a'), time.sleep(59_999).then(() => send('b'))]))
    expect(sink.writes).toEqual([[60_000, 'a b']])
  })

  it('waits for nothing more when all is to be settled', async () => {
    const { time, sink, outbox, send } = await fed(policy)
    const all = send('a')
    await time.run(time.sleep(5000).then(() => outbox.settled()))
    await all
    expect(sink.writes).toEqual([[5000, 'a']])
    await time.run(send('b'))
    expect(sink.writes.at(-1)).toEqual([65_000, 'b'])
  })

  it('stays the same when it is tried again', async () => {
    const { time, sink, send } = await fed(policy, (_, at) => {
      if (at < 60_200) throw away()
    })
    await time.run(Promise.all([send('a', 'b'), time.sleep(60_050).then(() => send('c'))]))
    expect(sink.writes.map(([, ids]) => ids)).toEqual(['a b', 'a b', 'a b', 'c'])
  })

  it('is given up as a whole, whatever checkpoints its alerts are of', async () => {
    const { time, send, undelivered } = await fed(policy, (ids) => {
      if (ids.includes('b')) failing(ids, refused, [ids[0] as string])
    })
    await time.run(Promise.all([send('a'), send('b', 'c', 'd')]))
    expect(undelivered()).toEqual([
      ['a', 'refused', 1],
      ['b', 'refused', 1],
      ['c', 'refused', 1],
    ])
  })

  it('that was not sent before a close is sent after the next start', async () => {
    const { time, sink, outbox } = await fed(policy)
    outbox.stage({ id: 'a', document: '{}' })
    const { staged } = outbox.prepareCommit(1)
    const delivery = outbox.notifyCheckpointComplete(1)
    await time.run(outbox.close())
    await delivery
    expect(sink.writes).toEqual([])
    const next = await fed(policy)
    const again = new Outbox({
      name: 'oncall',
      delivery: { kind: 'at_least_once', sink: next.sink },
      clock: next.time,
      scheduler: next.time,
    })
    await again.open()
    again.restore(
      { checkpoint: 1, committed: undefined, staged: [staged as Uint8Array] },
      undefined,
    )
    await next.time.run(again.settled())
    expect(next.sink.writes).toEqual([[0, 'a']])
  })
})

describe('a rate', () => {
  it('bounds what is written in any stretch of time', async () => {
    const { time, sink, send } = await fed({ rate: { max: 2, perMs: 1000 } })
    const done = Promise.all([send('a'), time.sleep(600).then(() => send('b', 'c', 'd', 'e'))])
    await time.run(done)
    expect(sink.writes).toEqual([
      [0, 'a'],
      [600, 'b'],
      [1000, 'c'],
      [1600, 'd'],
      [2000, 'e'],
    ])
  })
})
