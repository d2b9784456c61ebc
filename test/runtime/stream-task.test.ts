import { describe, expect, it } from 'vitest'
import { hostClock, hostScheduler } from '../../app/host.ts'
import type { PollResult } from '../../src/connector/source.ts'
import type { SourceOperator } from '../../src/operator/source-operator.ts'
import { SplitReader } from '../../src/runtime/split-reader.ts'
import { StreamTask } from '../../src/runtime/stream-task.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
import { type MemoryPoll, memorySource } from '../harness/memory-source.ts'
import { checked, positions, runSplits } from '../harness/split-run.ts'

/** An event of key `a`. */
function at(ts: number, more: Readonly<Record<string, unknown>> = {}) {
  return { ts, k: 'a', ...more }
}

/** One event a poll. */
function polls(...times: readonly number[]): MemoryPoll[] {
  return times.map((ts) => [at(ts)])
}

/** A source that notes which split was polled, and when in event time it was. */
function notingSource(splits: readonly (readonly MemoryPoll[])[], polled: string[]) {
  const source = memorySource(splits)
  return {
    bounded: true,
    async open(stream: string) {
      const readers = await source.open(stream)
      return readers.map((reader, index) => ({
        ...reader,
        pollBatch: async () => {
          const result = await reader.pollBatch()
          polled.push(`${index}:${result.kind}`)
          return result
        },
      }))
    },
  }
}

const silence = (polls: number): MemoryPoll[] => Array(polls).fill('idle')

describe('splits of one job', () => {
  it('hold time at the least of their watermarks, and are released in one order', async () => {
    const source = memorySource([polls(10, 30), polls(20, 20, 40)])
    const { alerts, summary } = await runSplits({ s: { source } })
    expect(positions(alerts)).toEqual(['s/0/0@10', 's/1/0@20', 's/1/1@20', 's/0/1@30', 's/1/2@40'])
    expect(summary).toMatchObject({ events: 5, late: 0 })
  })

  it('are told of each batch once it has been processed', async () => {
    const happened: string[] = []
    const inner = memorySource([polls(10, 20)])
    const source = {
      bounded: true,
      async open(stream: string) {
        const [reader] = await inner.open(stream)
        const acknowledge = async ({ offsets }: RecordBatch) => {
          happened.push(`acknowledged ${offsets[0]}`)
        }
        const batchOf = (result: PollResult): PollResult => {
          if (result.kind !== 'batch') return result
          const release = () => happened.push(`released ${result.batch.offsets[0]}`)
          return { ...result, batch: { ...result.batch, release } }
        }
        const pollBatch = async () => batchOf(await reader!.pollBatch())
        return [{ ...reader!, pollBatch, acknowledge }]
      },
    }
    await runSplits({ s: { source } })
    expect(happened).toEqual(['acknowledged 0', 'released 0', 'acknowledged 1', 'released 1'])
  })

  it('that are far behind go on, while those ahead of them by more than max_drift wait', async () => {
    const polled: string[] = []
    const ahead = polls(100_000, 101_000, 102_000)
    const behind = [...polls(1000), ...silence(4), ...polls(50_000), ...silence(4)]
    const source = notingSource([ahead, behind], polled)
    await runSplits({ s: { source, maxDriftMs: 10_000, idleAfterMs: Infinity } })
    const firstOfBehind = polled.indexOf('1:end')
    // The first batch and the one that was read in advance; the third only when the other has ended.
    expect(polled.slice(0, firstOfBehind).filter((each) => each === '0:batch')).toHaveLength(2)
    expect(polled.filter((each) => each === '0:batch')).toHaveLength(3)
  })

  it('that are within max_drift go on though the one behind has nothing', async () => {
    const polled: string[] = []
    const behind = [...polls(1000), ...silence(6)]
    const source = notingSource([polls(2000, 3000, 4000, 5000), behind], polled)
    await runSplits({ s: { source, maxDriftMs: 10_000, idleAfterMs: Infinity } })
    expect(polled.slice(0, polled.indexOf('1:end')).filter((each) => each === '0:end')).toEqual([
      '0:end',
    ])
  })

  it('that have ended hold nobody', async () => {
    const source = memorySource([polls(1), polls(1_000_000, 2_000_000), []])
    const { alerts } = await runSplits({ s: { source, maxDriftMs: 10 } })
    expect(positions(alerts)).toEqual(['s/0/0@1', 's/1/0@1000000', 's/1/1@2000000'])
  })

  it('hold back the splits of other streams too', async () => {
    const polled: string[] = []
    const s = notingSource([polls(100_000, 101_000, 102_000)], polled)
    const t = notingSource([[...polls(1000), ...silence(5)]], [])
    await runSplits({
      s: { source: s, maxDriftMs: 10_000, idleAfterMs: Infinity },
      t: { source: t, idleAfterMs: Infinity },
    })
    expect(polled).toHaveLength(4)
  })
})

describe('a split that comes to be while others are read', () => {
  it('is read to its end, and stands in the order of ties where its partition belongs', async () => {
    const fresh = { splits: { 1: polls(20, 30), 3: polls(20) } }
    const s = memorySource([[[at(10)], fresh, [at(20)], [at(30)]]])
    const t = memorySource([polls(20, 30)])
    const rules = checked('id: every\nfrom: [s, t]\nby: k\ndetect: { event: {} }\n')
    const { alerts, summary } = await runSplits({ s: { source: s }, t: { source: t } }, { rules })
    expect(positions(alerts)).toEqual([
      's/0/0@10',
      's/0/1@20',
      's/1/0@20',
      's/3/0@20',
      't/0/0@20',
      's/0/2@30',
      's/1/1@30',
      't/0/1@30',
    ])
    expect([summary.lateAfterIdle, s.openReaders]).toEqual([0, 0])
  })

  it('holds time from then on, and what it brings too late for that is counted and kept', async () => {
    const fresh = { splits: { 1: [[at(500), at(1500)], ...silence(3), [at(3500)]] } }
    const source = memorySource([[[at(1000)], fresh, ...polls(2000, 4000)]])
    const { alerts, rejected } = await runSplits({ s: { source, idleAfterMs: Infinity } })
    expect(positions(alerts)).toEqual([
      's/0/0@1000',
      's/1/1@1500',
      's/0/1@2000',
      's/1/2@3500',
      's/0/2@4000',
    ])
    expect(rejected).toMatchObject([{ kind: 'late_after_idle', partition: 1, offset: 0 }])
  })
})

describe('a split whose outside is in trouble', () => {
  it('says so once for each trouble, and when it is over', async () => {
    const trouble = (problem: string): MemoryPoll => ({ problem })
    const away = trouble('the broker is away')
    const source = memorySource([[away, away, trouble('no leader'), ...polls(1), away]])
    const { problems } = await runSplits({ s: { source } })
    expect(problems).toEqual([
      's/0: the broker is away',
      's/0: no leader',
      's/0: ',
      's/0: the broker is away',
      's/0: ',
    ])
  })
})

describe('a replay up to a time', () => {
  it('tells a split that nothing more of it can count, and decides what is late as the run did', async () => {
    const finished: number[] = []
    const splits = [polls(10, 100, 140, 95, 160, 170), polls(20, 90)]
    const source = memorySource(splits)
    const noting = {
      bounded: true,
      open: async (stream: string) =>
        (await source.open(stream)).map((reader) => ({
          ...reader,
          finish: () => finished.push(reader.split.partition),
        })),
    }
    const { alerts, rejected } = await runSplits(
      { s: { source: noting, outOfOrdernessMs: 40 } },
      { to: 100 },
    )
    expect(positions(alerts)).toEqual(['s/0/0@10', 's/1/0@20', 's/1/1@90'])
    // By the event at 140, which itself is beyond the end, the one at 95 is late.
    expect(rejected).toMatchObject([{ kind: 'late', partition: 0, offset: 3 }])
    expect(finished).toEqual([0, 0, 0, 0])
  })
})

describe('a silent split', () => {
  it('holds time until idle_after, and then no longer', async () => {
    const clock = new ManualClock(5000)
    const source = memorySource([
      polls(1000, 2000, 3000),
      [...polls(500), ...silence(200), ...polls(2500)],
    ])
    const { alerts, rejected, summary } = await runSplits(
      { s: { source, maxDriftMs: 1000, idleAfterMs: 1000 } },
      { clock },
    )
    // It came back in time for itself, but time had gone on.
    expect(positions(alerts)).toEqual(['s/1/0@500', 's/0/0@1000', 's/0/1@2000', 's/0/2@3000'])
    expect(rejected).toEqual([
      {
        kind: 'late_after_idle',
        stream: 's',
        partition: 1,
        offset: 1,
        reason: 'its split had been idle and time had gone on without it',
        raw: '{"ts":2500,"k":"a"}',
      },
    ])
    expect(summary).toMatchObject({ late: 0, lateAfterIdle: 1 })
  })

  it('is counted once though several operators have gone on without it', async () => {
    const source = memorySource([
      polls(1000, 3000),
      [...polls(500), ...silence(200), [at(2500, { m: 1 })]],
    ])
    const rules = checked(
      ['k', 'ts']
        .map((by) => `id: by-${by}\nfrom: s\nby: ${by}\ndetect: { event: {} }\n`)
        .join('---\n'),
    )
    const { rejected, summary } = await runSplits({ s: { source, idleAfterMs: 100 } }, { rules })
    expect([summary.lateAfterIdle, rejected.map(({ offset }) => offset)]).toEqual([1, [1]])
  })

  it('with a backlog is not idle: it holds time however long that takes', async () => {
    const source = memorySource([
      polls(1000, 2000, 3000),
      [...polls(500), ...(Array(200).fill('backlog') as MemoryPoll[]), ...polls(2500)],
    ])
    const { alerts, summary } = await runSplits({
      s: { source, maxDriftMs: 1000, idleAfterMs: 1000 },
    })
    expect(positions(alerts)).toEqual([
      's/1/0@500',
      's/0/0@1000',
      's/0/1@2000',
      's/1/1@2500',
      's/0/2@3000',
    ])
    expect(summary.lateAfterIdle).toBe(0)
  })

  it('begins its silence anew after a backlog', async () => {
    const clock = new ManualClock()
    const silent: MemoryPoll[] = [...silence(20), 'backlog', ...silence(20), ...polls(2500)]
    const source = memorySource([polls(1000, 2000, 3000), [...polls(500), ...silent]])
    const { summary } = await runSplits(
      { s: { source, maxDriftMs: 1000, idleAfterMs: 500 } },
      { clock },
    )
    expect(summary.lateAfterIdle).toBe(0)
  })

  it('is seen to be idle though another has something all the time', async () => {
    const busy = polls(...Array.from({ length: 50 }, (_, i) => 1000 + i))
    const source = memorySource([busy, [...polls(500), ...silence(10), ...polls(2000)]])
    const { progress } = await runSplits({ s: { source, idleAfterMs: 100 } })
    // Held at 499 until then; the busy split has sent a batch in each turn.
    const freed = progress.find(({ alerts }) => alerts > 1)
    expect(freed?.events).toBeLessThan(15)
    expect(progress.at(-1)?.events).toBe(52)
  })
})

describe('a live source', () => {
  const inOneHour = 3_600_000

  it('sends events far beyond their time of ingest to dead letters, and its clock stands', async () => {
    const clock = new ManualClock(1_000_000)
    const source = memorySource([[[at(999_000), at(1_000_000 + inOneHour), at(999_500)]]], {
      live: true,
    })
    const { alerts, rejected, summary } = await runSplits({ s: { source } }, { clock })
    expect(positions(alerts)).toEqual(['s/0/0@999000', 's/0/2@999500'])
    expect(rejected).toMatchObject([
      {
        kind: 'dead_letter',
        cause: 'future',
        offset: 1,
        reason: 'event time 4600000 is more than 300000 ms ahead of its time of ingest',
      },
    ])
    expect(summary).toMatchObject({ events: 2, late: 0, deadLetters: 1 })
  })

  it('takes what is ahead by max_future_skew and no more', async () => {
    const clock = new ManualClock(1000)
    const source = memorySource([[[at(1050), at(1051)]]], { live: true })
    const { summary } = await runSplits({ s: { source, maxFutureSkewMs: 50 } }, { clock })
    expect([summary.events, [...summary.deadLettersByCause]]).toEqual([1, [['future', 1]]])
  })

  it('is held to the time at which a record came, not to that at which its split went on', async () => {
    const clock = new ManualClock(0)
    const ahead = memorySource([[[at(10_000)], [at(30_000)]]], { live: true })
    // The other holds it for some seconds of processing time.
    const behind = memorySource([[...polls(1), ...silence(2000), ...polls(29_000)]])
    const { summary } = await runSplits(
      {
        s: { source: ahead, maxFutureSkewMs: 10_000, maxDriftMs: 10 },
        t: { source: behind, idleAfterMs: Infinity },
      },
      { clock },
    )
    expect(clock.now()).toBeGreaterThan(20_000)
    expect([...summary.deadLettersByCause]).toEqual([['future', 1]])
  })

  it('is the only one: of other sources nothing is known', async () => {
    const source = memorySource([[[at(9_000_000_000_000)]]])
    const { summary } = await runSplits({ s: { source } }, { clock: new ManualClock(0) })
    expect(summary).toMatchObject({ events: 1, deadLetters: 0 })
  })
})

describe('a source that always has something', () => {
  it('keeps nobody else waiting', async () => {
    const times = Array.from({ length: 300_000 }, (_, i) => i)
    const [reader] = await memorySource([times.map(() => [])]).open('s')
    const operator = {
      watermarkOf: () => 0,
      isPast: () => false,
      processBatch: () => undefined,
      endSplit: () => undefined,
    } as unknown as SourceOperator
    const host = { clock: hostClock, scheduler: hostScheduler }
    const watermarks = defaultWatermarkStrategy
    const split = new SplitReader({
      reader: reader!,
      operator,
      split: 0,
      watermarks,
      ingestClock: null,
      host,
    })
    let isStopped = false
    const task = new StreamTask([split], {
      ...host,
      isStopped: () => isStopped,
      afterBatch: () => undefined,
    })
    // Only another turn of the event loop can stop it before its end.
    setImmediate(() => {
      isStopped = true
    })
    await task.run()
    expect(split.ended).toBe(false)
  })
})
