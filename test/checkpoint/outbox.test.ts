import { describe, expect, it } from 'vitest'
import { Outbox, type OutboxOptions, type OutboxSnapshot } from '../../src/checkpoint/outbox.ts'
import { decodeStagedAlerts } from '../../src/checkpoint/outbox-format.ts'
import type { Sink } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { MarkedSink, unreachable } from '../harness/marked-sink.ts'

const alert = (name: string) => ({ id: name, document: `{"${name}":1}` })
const stageAll = (outbox: Outbox, ...names: string[]) => {
  for (const name of names) outbox.stage(alert(name))
}
const documents = (...names: string[]) => names.map((name) => alert(name).document)

/** Waits are noted and over at once. */
function outboxOf(sink: MarkedSink | Sink, more: Partial<OutboxOptions> = {}) {
  const waits: number[] = []
  const clock = new ManualClock()
  const scheduler = {
    sleep: async (milliseconds: number) => {
      waits.push(milliseconds)
      clock.set(clock.now() + milliseconds)
    },
  }
  const delivery =
    sink instanceof MarkedSink
      ? ({ kind: 'exactly_once', sink } as const)
      : ({ kind: 'at_least_once', sink } as const)
  return { waits, outbox: new Outbox({ name: 'oncall', delivery, clock, scheduler, ...more }) }
}

async function started(sink: MarkedSink | Sink, more?: Partial<OutboxOptions>) {
  const made = outboxOf(sink, more)
  const marker = await made.outbox.open()
  made.outbox.restore({ checkpoint: 0, committed: undefined, staged: [] }, marker)
  return made
}

describe('an outbox', () => {
  it('commits the alerts of a checkpoint when it is durable, not before', async () => {
    const sink = new MarkedSink()
    const { outbox } = await started(sink)
    stageAll(outbox, 'a', 'b')
    const snapshot = outbox.prepareCommit(1)
    stageAll(outbox, 'c')
    await outbox.settled()
    const before = [...sink.outside.documents]
    await outbox.notifyCheckpointComplete(1)
    expect({ before, after: sink.outside.documents, snapshot: read(snapshot) }).toEqual({
      before: [],
      after: documents('a', 'b'),
      snapshot: {
        alerts: { checkpoint: 1, alerts: [alert('a'), alert('b')] },
        committed: undefined,
      },
    })
    expect(read(outbox.prepareCommit(2))).toEqual({
      alerts: { checkpoint: 2, alerts: [alert('c')] },
      committed: 1,
    })
  })

  it('commits nothing for a checkpoint without alerts', async () => {
    const sink = new MarkedSink()
    const { outbox } = await started(sink)
    expect(outbox.prepareCommit(1)).toEqual({ staged: undefined, committed: undefined })
    await outbox.notifyCheckpointComplete(1)
    stageAll(outbox, 'a')
    outbox.prepareCommit(2)
    outbox.prepareCommit(3)
    await outbox.notifyCheckpointComplete(3)
    expect([sink.calls, sink.outside]).toEqual([
      ['init', 'commit 2'],
      { marker: { checkpoint: 2 }, documents: documents('a') },
    ])
    expect(outbox.prepareCommit(4)).toEqual({ staged: undefined, committed: 2 })
  })

  it('puts the alerts of a checkpoint that came to nothing into the next one, in order', async () => {
    const sink = new MarkedSink()
    const { outbox } = await started(sink)
    stageAll(outbox, 'a')
    outbox.prepareCommit(1)
    stageAll(outbox, 'b')
    outbox.notifyCheckpointAborted(1)
    outbox.prepareCommit(2)
    outbox.notifyCheckpointAborted(2)
    stageAll(outbox, 'c')
    outbox.prepareCommit(3)
    outbox.prepareCommit(4)
    outbox.notifyCheckpointAborted(4)
    await outbox.notifyCheckpointComplete(4)
    expect([sink.calls, sink.outside.documents]).toEqual([
      ['init', 'commit 3'],
      documents('a', 'b', 'c'),
    ])
    expect(outbox.bytes).toBe(0)
  })

  describe('when the sink fails', () => {
    it.each(['refused', 'taken'] as const)(
      'asks for the marker, and sends again only what is missing: %s',
      async (fault) => {
        const sink = new MarkedSink()
        const { outbox, waits } = await started(sink)
        sink.commitFaults.push(fault)
        stageAll(outbox, 'a')
        outbox.prepareCommit(1)
        await outbox.notifyCheckpointComplete(1)
        stageAll(outbox, 'b')
        outbox.prepareCommit(2)
        await outbox.notifyCheckpointComplete(2)
        const again = fault === 'refused' ? ['commit 1'] : []
        expect(sink.calls).toEqual(['init', 'commit 1', 'init', ...again, 'commit 2'])
        expect([sink.outside.documents, waits]).toEqual([documents('a', 'b'), [100]])
      },
    )

    it('waits twice as long each time, up to a limit, and begins anew after a success', async () => {
      const sink = new MarkedSink()
      const retries: number[] = []
      const { outbox, waits } = await started(sink, {
        firstWaitMs: 10,
        waitMsMax: 50,
        onRetry: (_, waitMs) => retries.push(waitMs),
      })
      sink.commitFaults.push('refused', 'refused', 'refused', 'taken')
      sink.initFaults.push(unreachable())
      stageAll(outbox, 'a')
      outbox.prepareCommit(1)
      await outbox.notifyCheckpointComplete(1)
      sink.commitFaults.push('refused')
      stageAll(outbox, 'b')
      outbox.prepareCommit(2)
      await outbox.notifyCheckpointComplete(2)
      expect(waits).toEqual([10, 20, 40, 50, 50, 10])
      expect(retries).toEqual(waits)
      expect(sink.outside.documents).toEqual(documents('a', 'b'))
    })

    it('keeps trying to open it', async () => {
      const sink = new MarkedSink({ marker: { checkpoint: 4 }, documents: [] })
      sink.initFaults.push(unreachable(), unreachable())
      const { outbox, waits } = outboxOf(sink)
      expect([await outbox.open(), waits]).toEqual([{ checkpoint: 4 }, [100, 200]])
    })

    it('fails the job where trying again cannot help', async () => {
      const sink = new MarkedSink()
      const { outbox, waits } = await started(sink)
      const failure = new ConnectorError('OUTPUT_UNWRITABLE', 'no such topic', { retryable: false })
      sink.commitFaults.push(failure)
      stageAll(outbox, 'a')
      outbox.prepareCommit(1)
      await expect(outbox.notifyCheckpointComplete(1)).rejects.toBe(failure)
      expect(() => outbox.prepareCommit(2)).toThrow(failure)
      await expect(outbox.notifyCheckpointComplete(2)).rejects.toBe(failure)
      expect([waits, sink.calls]).toEqual([[], ['init', 'commit 1']])
    })

    it.each([
      ['beyond its own', { checkpoint: 9 }, 'is 9'],
      ['gone', undefined, 'is gone'],
    ])('stops where the marker is %s: another instance is at work', async (_, marker, said) => {
      const sink = new MarkedSink()
      const { outbox } = await started(sink)
      stageAll(outbox, 'a')
      outbox.prepareCommit(1)
      await outbox.notifyCheckpointComplete(1)
      sink.commitFaults.push('refused')
      sink.outside.marker = marker
      stageAll(outbox, 'b')
      outbox.prepareCommit(2)
      await expect(outbox.notifyCheckpointComplete(2)).rejects.toMatchObject({
        code: 'SINK_MARKER',
        message: expect.stringContaining(`the marker of sink oncall ${said}: another instance`),
      })
    })

    it('can be closed while it waits', async () => {
      const sink = new MarkedSink()
      let slept = () => {}
      const sleeping = new Promise<void>((resolve) => {
        slept = resolve
      })
      const scheduler = {
        sleep: () => {
          slept()
          return new Promise<void>(() => {})
        },
      }
      const { outbox } = await started(sink, { scheduler })
      sink.commitFaults.push('refused')
      stageAll(outbox, 'a')
      outbox.prepareCommit(1)
      const committing = outbox.notifyCheckpointComplete(1)
      await sleeping
      await outbox.close()
      await committing
      expect([sink.calls, sink.outside.documents]).toEqual([['init', 'commit 1', 'close'], []])
    })
  })

  it('is full from a number of bytes on, staged or frozen, until they are committed', async () => {
    const sink = new MarkedSink()
    const { outbox } = await started(sink, { bytesMax: 20 })
    const seen: [number, boolean][] = []
    const look = () => seen.push([outbox.bytes, outbox.isFull])
    outbox.stage({ id: 'é', document: '12345678' })
    look()
    outbox.prepareCommit(1)
    outbox.stage({ id: 'ab', document: '12345678' })
    look()
    await outbox.notifyCheckpointComplete(1)
    look()
    outbox.prepareCommit(2)
    outbox.notifyCheckpointAborted(2)
    look()
    outbox.prepareCommit(3)
    await outbox.notifyCheckpointComplete(3)
    look()
    expect(seen).toEqual([
      [10, false],
      [20, true],
      [10, false],
      [10, false],
      [0, false],
    ])
  })

  it('asserts the order of its calls', async () => {
    const fresh = outboxOf(new MarkedSink()).outbox
    expect(() => fresh.prepareCommit(1)).toThrow('restored before it is used')
    const { outbox } = await started(new MarkedSink())
    outbox.prepareCommit(2)
    expect(() => outbox.prepareCommit(2)).toThrow('checkpoint 2 comes after 2')
    await outbox.notifyCheckpointComplete(2)
    expect(() => outbox.notifyCheckpointAborted(2)).toThrow('checkpoint 2 is durable')
    expect(() =>
      outbox.restore({ checkpoint: 3, committed: undefined, staged: [] }, undefined),
    ).toThrow('restored when it is new')
  })
})

describe('a restored outbox', () => {
  /** Alerts of checkpoints 2, 3 and 5, of which the sink may have some; the state is at 6. */
  async function staged() {
    const { outbox } = await started(new MarkedSink())
    return [2, 3, 5].map((checkpoint) => {
      stageAll(outbox, `of ${checkpoint}`, `also of ${checkpoint}`)
      return outbox.prepareCommit(checkpoint).staged!
    })
  }
  const of = (...checkpoints: number[]) =>
    checkpoints.flatMap((each) => documents(`of ${each}`, `also of ${each}`))

  it.each([
    [undefined, [2, 3, 5]],
    [2, [3, 5]],
    [3, [5]],
    [5, []],
    [6, []],
  ])('commits what the sink lacks, in order: marker %s', async (marker, missing) => {
    const outside = {
      marker: marker === undefined ? undefined : { checkpoint: marker },
      documents: [],
    }
    const sink = new MarkedSink(outside)
    const { outbox } = outboxOf(sink)
    const [two, three, five] = await staged()
    const given = await outbox.open()
    outbox.restore({ checkpoint: 6, committed: undefined, staged: [five!, two!, three!] }, given)
    await outbox.settled()
    expect([sink.outside.documents, sink.calls]).toEqual([
      of(...missing),
      ['init', ...missing.map((checkpoint) => `commit ${checkpoint}`)],
    ])
    expect(outbox.bytes).toBe(0)
    expect(outbox.prepareCommit(7).committed).toBe(missing.at(-1) ?? marker)
  })

  it.each([
    [
      'has committed beyond it',
      7,
      undefined,
      6,
      'SINK_AHEAD',
      /committed checkpoint 7, but the state ends at 6: .* Choose: restore a checkpoint or savepoint of number 7 or later; or start under another job id/,
    ],
    [
      'has committed, and there is no state',
      1,
      undefined,
      0,
      'SINK_AHEAD',
      /committed checkpoint 1, but there is no state: /,
    ],
    [
      'has lost its marker',
      undefined,
      3,
      6,
      'SINK_MARKER',
      /sink oncall has no marker, but the state says that it has committed checkpoint 3: .* Choose: bring the marker back; or /,
    ],
    [
      'has gone back',
      2,
      3,
      6,
      'SINK_MARKER',
      /sink oncall has marker 2, but the state says that it has committed checkpoint 3/,
    ],
  ] as const)('refuses a sink that %s', async (_, marker, committed, checkpoint, code, message) => {
    const sink = new MarkedSink({
      marker: marker === undefined ? undefined : { checkpoint: marker },
      documents: [],
    })
    const { outbox } = outboxOf(sink)
    const given = await outbox.open()
    const state = { checkpoint, committed, staged: checkpoint === 0 ? [] : await staged() }
    expect(() => outbox.restore(state, given)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
    await outbox.close()
    expect(sink.calls).toEqual(['init', 'close'])
  })

  it('refuses alerts of a checkpoint after the one that is restored', async () => {
    const { outbox } = outboxOf(new MarkedSink())
    const marker = await outbox.open()
    const state = { checkpoint: 4, committed: undefined, staged: await staged() }
    expect(() => outbox.restore(state, marker)).toThrow(
      'sink oncall: checkpoint 4 holds alerts of checkpoint 5',
    )
  })

  it('goes by its own state where the sink keeps no marker, and gives the ids', async () => {
    const written: (readonly string[] | undefined)[] = []
    const failures = [unreachable()]
    const sink: Sink = {
      open: async () => {},
      write: async (texts, ids) => {
        const failure = failures.pop()
        written.push(texts, ids)
        if (failure !== undefined) throw failure
      },
      close: async () => {},
    }
    const { outbox } = outboxOf(sink)
    expect(await outbox.open()).toBeUndefined()
    outbox.restore({ checkpoint: 6, committed: 2, staged: await staged() }, undefined)
    await outbox.settled()
    const ids = ['of 3', 'also of 3', 'of 5', 'also of 5']
    expect(written).toEqual([
      [...of(3), ...of(5)],
      ids,
      // One alert tries whether the sink is back.
      ...[documents('of 3'), ['of 3']],
      ...[[...of(3), ...of(5)].slice(1), ids.slice(1)],
    ])
  })
})

/**
 * Every way to end a run between two steps: the state that the next run finds follows from the last
 * durable checkpoint, and the outside holds each alert once.
 */
describe('an outbox that is killed', () => {
  const steps = 20

  it.each([
    ['never failing', []],
    ['refusing', ['refused']],
    ['taking and failing', ['taken', 'refused', 'taken']],
  ] as const)('at any step, with a sink %s, loses and doubles nothing', async (_, faults) => {
    const expected = documents(...Array.from({ length: steps }, (_, step) => `${step}`))
    const outcomes: string[][] = []
    for (let kill = 0; kill < steps * 4; kill++) {
      const outside = { marker: undefined, documents: [] as string[] }
      const store = { checkpoint: 0, next: 0, committed: undefined, staged: [] } as Store
      await run(outside, store, faults, kill)
      await run(outside, store, [], Infinity)
      outcomes.push(outside.documents)
    }
    expect(outcomes.filter((outcome) => outcome.join() !== expected.join())).toEqual([])
  })

  interface Store {
    checkpoint: number
    /** The source position. */
    next: number
    committed: number | undefined
    staged: Uint8Array[]
  }

  /** Stages one alert a step, makes a checkpoint every third; stops after so many actions. */
  async function run(
    outside: MarkedSink['outside'],
    store: Store,
    faults: readonly ('refused' | 'taken')[],
    actions: number,
  ) {
    const sink = new MarkedSink(outside)
    sink.commitFaults.push(...faults)
    const { outbox } = outboxOf(sink)
    let left = actions
    const killed = () => left-- <= 0
    outbox.restore(store, await outbox.open())
    let checkpoint = store.checkpoint
    for (let step = store.next; step < steps; step++) {
      if (killed()) return
      stageAll(outbox, `${step}`)
      if (step % 3 !== 2 && step !== steps - 1) continue
      const { staged, committed } = outbox.prepareCommit(++checkpoint)
      if (killed()) return
      store.checkpoint = checkpoint
      store.next = step + 1
      store.committed = committed
      store.staged = store.staged.filter(
        (bytes) => decodeStagedAlerts(bytes).checkpoint > (committed ?? 0),
      )
      if (staged !== undefined) store.staged.push(staged)
      if (killed()) return
      const committing = outbox.notifyCheckpointComplete(checkpoint)
      // A kill may come before the commit is through: then the next barrier comes before it, too.
      if (left % 2 === 0) await committing
    }
    await outbox.settled()
  }
})

function read({ staged, committed }: OutboxSnapshot) {
  return { alerts: staged === undefined ? undefined : decodeStagedAlerts(staged), committed }
}
