import { describe, expect, it } from 'vitest'
import type { UndeliveredAlert } from '../../src/checkpoint/delivery-queue.ts'
import { type Delivery, Outbox, type OutboxOptions } from '../../src/checkpoint/outbox.ts'
import { decodeStagedAlerts } from '../../src/checkpoint/outbox-format.ts'
import type { Sink } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { MarkedSink, unreachable } from '../harness/marked-sink.ts'
import { SimulatedTime } from '../simulation/simulated-time.ts'

const alert = (id: string) => ({ id, document: `{"id":"${id}"}` })
const documents = (...ids: string[]) => ids.map((id) => alert(id).document)

function outboxOf(delivery: Delivery, more: Partial<OutboxOptions> = {}) {
  const time = new SimulatedTime(0)
  const givenUp: UndeliveredAlert[] = []
  const outbox = new Outbox({
    name: 'oncall',
    delivery,
    clock: time,
    scheduler: time,
    onUndelivered: (undelivered) => givenUp.push(...undelivered) > 0,
    ...more,
  })
  const reasons = () => givenUp.map(({ alert: { id }, failure }) => [id, failure.message])
  return { time, outbox, reasons }
}

const fresh = { checkpoint: 0, committed: undefined, staged: [] }

/** Makes a checkpoint of these alerts; gives what it holds of the sink. */
function checkpointOf(outbox: Outbox, checkpoint: number, ...ids: string[]) {
  for (const id of ids) outbox.stage(alert(id))
  return outbox.prepareCommit(checkpoint)
}

describe('alerts that an exactly-once sink will never take', () => {
  async function refusing(more?: Partial<OutboxOptions>, outside?: MarkedSink['outside']) {
    const sink = new MarkedSink(outside)
    sink.refused.add('b').add('d')
    return { sink, ...outboxOf({ kind: 'exactly_once', sink }, more) }
  }

  it('are given away, and the others of the checkpoint are committed', async () => {
    const { sink, outbox, reasons } = await refusing()
    outbox.restore(fresh, await outbox.open())
    checkpointOf(outbox, 1, 'a', 'b', 'c')
    await outbox.notifyCheckpointComplete(1)
    checkpointOf(outbox, 2, 'd')
    await outbox.notifyCheckpointComplete(2)
    expect({ reasons: reasons(), ...sink.outside }).toEqual({
      reasons: [
        ['b', 'too large: b'],
        ['d', 'too large: d'],
      ],
      documents: documents('a', 'c'),
      marker: { checkpoint: 2 },
    })
    expect(outbox.prepareCommit(3).committed).toBe(2)
  })

  it('are given away once more where the checkpoint that kept them was lost', async () => {
    const first = await refusing()
    first.outbox.restore(fresh, await first.outbox.open())
    const { staged } = checkpointOf(first.outbox, 1, 'a', 'b')
    await first.outbox.notifyCheckpointComplete(1)
    const { sink, outbox, reasons } = await refusing({}, first.sink.outside)
    const marker = await outbox.open()
    outbox.restore({ checkpoint: 1, committed: undefined, staged: [staged!] }, marker)
    await outbox.settled()
    expect(reasons()).toEqual([['b', 'too large: b']])
    expect(sink.outside).toEqual({ documents: documents('a'), marker: { checkpoint: 1 } })
    checkpointOf(outbox, 2, 'c')
    await outbox.notifyCheckpointComplete(2)
    expect(sink.outside).toEqual({ documents: documents('a', 'c'), marker: { checkpoint: 2 } })
  })

  it('wait until they can be kept', async () => {
    let isFull = true
    const kept: string[] = []
    const { time, outbox } = await refusing({
      onUndelivered: (undelivered) => {
        if (!isFull) kept.push(...undelivered.map(({ alert: { id } }) => id))
        return !isFull
      },
    })
    outbox.restore(fresh, await outbox.open())
    checkpointOf(outbox, 1, 'b')
    const committed = outbox.notifyCheckpointComplete(1)
    await time.run(time.sleep(70_000))
    expect([kept, outbox.alerts]).toEqual([[], 1])
    isFull = false
    await time.run(time.sleep(70_000))
    await committed
    expect([kept, outbox.alerts]).toEqual([['b'], 0])
  })

  it('fail the job where nobody keeps them', async () => {
    const sink = new MarkedSink()
    sink.refused.add('b')
    const time = new SimulatedTime(0)
    const delivery = { kind: 'exactly_once', sink } as const
    const outbox = new Outbox({ name: 'oncall', delivery, clock: time, scheduler: time })
    outbox.restore(fresh, await outbox.open())
    checkpointOf(outbox, 1, 'a', 'b')
    await expect(outbox.notifyCheckpointComplete(1)).rejects.toThrow('too large: b')
    expect(sink.outside.documents).toEqual([])
  })
})

describe('immediate delivery', () => {
  class TakingSink implements Sink {
    readonly taken: string[] = []
    fault: (ids: readonly string[]) => void = () => undefined
    async open(): Promise<void> {}
    async write(_: readonly string[], ids: readonly string[] = []): Promise<void> {
      this.fault(ids)
      this.taken.push(...ids)
    }
    async close(): Promise<void> {}
  }

  async function started(more?: Partial<OutboxOptions>) {
    const sink = new TakingSink()
    const made = outboxOf({ kind: 'immediate', sink }, more)
    made.outbox.restore(fresh, await made.outbox.open())
    return { sink, ...made }
  }
  const read = (staged: Uint8Array | undefined) =>
    staged === undefined ? undefined : decodeStagedAlerts(staged).alerts.map(({ id }) => id)

  it('sends alerts before their checkpoint, which then need not hold them', async () => {
    const { sink, outbox } = await started()
    outbox.stage(alert('a'))
    outbox.stage(alert('b'))
    await outbox.settled()
    expect(sink.taken).toEqual(['a', 'b'])
    expect(outbox.prepareCommit(1)).toEqual({ staged: undefined, committed: undefined })
    await outbox.settled()
    await outbox.notifyCheckpointComplete(1)
    expect([outbox.bytes, outbox.alerts, sink.taken]).toEqual([0, 0, ['a', 'b']])
    expect(outbox.prepareCommit(2).committed).toBe(1)
  })

  it('keeps in the checkpoint what the sink has not taken yet, and sends it after a crash', async () => {
    const { sink, outbox, time } = await started()
    outbox.stage(alert('a'))
    await outbox.settled()
    sink.fault = () => {
      throw unreachable()
    }
    outbox.stage(alert('b'))
    outbox.stage(alert('c'))
    await time.run(time.sleep(50))
    const { staged } = outbox.prepareCommit(1)
    const successor = new TakingSink()
    const { outbox: second } = outboxOf({ kind: 'immediate', sink: successor })
    const marker = await second.open()
    second.restore({ checkpoint: 1, committed: undefined, staged: [staged!] }, marker)
    await second.settled()
    sink.fault = () => undefined
    await time.run(time.sleep(60_000))
    await outbox.notifyCheckpointComplete(1)
    expect([read(staged), successor.taken, sink.taken]).toEqual([
      ['b', 'c'],
      ['b', 'c'],
      ['a', 'b', 'c'],
    ])
  })

  it('holds up the job where the sink is away for long', async () => {
    const { sink, outbox, time } = await started({ bytesMax: 30 })
    sink.fault = () => {
      throw unreachable()
    }
    outbox.stage(alert('a'))
    const before = outbox.isFull
    outbox.stage(alert('b'))
    outbox.stage(alert('c'))
    await time.run(time.sleep(10))
    expect([before, outbox.isFull]).toEqual([false, true])
    sink.fault = () => undefined
    outbox.prepareCommit(1)
    await time.run(time.sleep(60_000))
    await outbox.notifyCheckpointComplete(1)
    expect([outbox.isFull, sink.taken]).toEqual([false, ['a', 'b', 'c']])
  })

  it('fails with what fails for good', async () => {
    const { sink, outbox, time } = await started()
    const broken = new ConnectorError('OUTPUT_UNWRITABLE', 'no such topic', { retryable: false })
    sink.fault = () => {
      throw broken
    }
    outbox.stage(alert('a'))
    await time.run(time.sleep(10))
    expect(() => outbox.prepareCommit(1)).toThrow('no such topic')
  })
})
