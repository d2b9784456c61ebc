import { describe, expect, it } from 'vitest'
import { RunMonitor } from '../../app/run-monitor.ts'
import { ConnectorError, Outbox, type RunningJob, type Sink, TocsinError } from '../../src/index.ts'
import { ManualClock } from '../../src/time/clock.ts'

const job = {} as RunningJob
const away = new ConnectorError('OUTPUT_UNWRITABLE', 'no answer', { retryable: true })
const sink: Sink = {
  open: async () => undefined,
  write: async () => undefined,
  close: async () => undefined,
}

function watched(checkpointAgeMsMax: number | null = 30_000) {
  const clock = new ManualClock(1_000_000)
  const monitor = new RunMonitor({ now: () => clock.now(), checkpointAgeMsMax })
  const scheduler = { sleep: async () => undefined }
  const delivery = { kind: 'at_least_once', sink } as const
  const outbox = new Outbox({ name: 'pager', delivery, clock, scheduler })
  outbox.restore({ checkpoint: 0, committed: undefined, staged: [] }, undefined)
  monitor.jobStarting(new Map([['pager', outbox]]))
  const pass = (ms: number) => clock.set(clock.now() + ms)
  const state = () => {
    const { status, reasons } = monitor.health()
    return [status, ...reasons]
  }
  return { monitor, outbox, pass, state }
}

describe('the health of a run', () => {
  it('is that of a start, of a run, and of a stop', () => {
    const { monitor, state } = watched()
    const seen = [state()]
    monitor.jobStarted(job)
    seen.push(state())
    monitor.jobRestarting()
    seen.push(state())
    monitor.jobStarting(new Map())
    seen.push(state())
    monitor.jobStarted(job)
    monitor.stopping()
    seen.push(state())
    expect(seen).toEqual([['starting'], ['ok'], ['starting'], ['starting'], ['stopping']])
  })

  it('tells how old the newest checkpoint is, and when it is too old', () => {
    const { monitor, pass } = watched()
    monitor.jobStarted(job)
    monitor.checkpointCompleted({ number: 7, durationMs: 5, bytes: 100 })
    pass(30_000)
    const fine = monitor.health()
    pass(1)
    expect([fine, monitor.health()]).toEqual([
      { status: 'ok', reasons: [], checkpoint: 7, checkpoint_age_seconds: 30 },
      {
        status: 'stalled',
        reasons: ['the newest checkpoint is 30 s old'],
        checkpoint: 7,
        checkpoint_age_seconds: 30.001,
      },
    ])
  })

  it('is stalled while the disk is full', () => {
    const { monitor, state } = watched()
    monitor.jobStarted(job)
    monitor.checkpointStalled(new TocsinError('STATE_DISK_FULL', 'no space in state/'))
    const full = state()
    monitor.checkpointCompleted({ number: 1, durationMs: 5, bytes: 100 })
    expect([full, state()]).toEqual([
      ['stalled', 'no checkpoint can be taken: no space in state/'],
      ['ok'],
    ])
  })

  it('is stalled when a sink is away for long, until it takes something', async () => {
    const { monitor, outbox, pass, state } = watched(null)
    monitor.jobStarted(job)
    outbox.stage({ id: 'a', document: '{}' })
    monitor.sinkFailed('pager', away)
    pass(4999)
    monitor.sinkFailed('pager', away)
    const seen = [state()]
    pass(1)
    seen.push(state())
    outbox.prepareCommit(1)
    await outbox.notifyCheckpointComplete(1)
    outbox.stage({ id: 'b', document: '{}' })
    seen.push(state())
    expect(seen).toEqual([['ok'], ['stalled', 'the sink pager: no answer'], ['ok']])
    expect(monitor.sinks.get('pager')?.retries).toBe(2)
  })

  it('is stalled when a source is away for long', () => {
    const { monitor, pass, state } = watched(null)
    monitor.jobStarted(job)
    monitor.sourceProblem('payments/0', 'no broker')
    pass(2500)
    monitor.sourceProblem('payments/0', 'still no broker')
    pass(2500)
    const gone = state()
    monitor.sourceProblem('payments/0', undefined)
    expect([gone, state()]).toEqual([
      ['stalled', 'the source of payments/0: still no broker'],
      ['ok'],
    ])
  })
})
