import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CurrentKey } from '../../src/state/current-key.ts'
import { HeapKeyedStateBackend } from '../../src/state/heap-keyed-state-backend.ts'
import { hashKey } from '../../src/stream/key-group.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { KeyedTimerService } from '../../src/time/timer-service.ts'

function openTimers() {
  const key = new CurrentKey(new HeapKeyedStateBackend())
  const service = new KeyedTimerService(key, new ManualClock(0))
  const at = (name: string, work: () => void) => {
    const bytes = Buffer.from(name, 'latin1')
    key.select(bytes, 0, bytes.length, hashKey(bytes))
    work()
    key.release()
  }
  return { key, service, at }
}

describe('timers', () => {
  it('answer as a set of (key, time) does, whatever is registered, deleted and fired', () => {
    const operation = fc.record({
      kind: fc.constantFrom('register', 'register', 'delete', 'advance'),
      key: fc.constantFrom('a', 'b', 'c'),
      // Beyond one bucket of the queue, too.
      time: fc.integer({ min: -50, max: 50 }).map((time) => time * 97),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const { key, service, at } = openTimers()
        const model = new Set<string>()
        const fired: string[] = []
        const expected: string[] = []
        for (const step of operations) {
          const timer = `${step.key} ${step.time}`
          if (step.kind === 'register') {
            at(step.key, () => service.registerEventTimeTimer(step.time))
            model.add(timer)
          } else if (step.kind === 'delete') {
            at(step.key, () => service.deleteEventTimeTimer(step.time))
            model.delete(timer)
          } else {
            let last = -Infinity
            service.eventTimers.fireUpTo(step.time, (time) => {
              expect(time).toBeGreaterThanOrEqual(last)
              last = time
              fired.push(`${key.text} ${time}`)
            })
            const due = [...model].filter((known) => Number(known.split(' ')[1]) <= step.time)
            for (const known of due) model.delete(known)
            expected.push(...due)
          }
        }
        service.eventTimers.fireUpTo(1e6, (time) => fired.push(`${key.text} ${time}`))
        expected.push(...model)
        expect([...fired].sort()).toEqual(expected.sort())
        expect(key.size).toBe(0)
      }),
      { numRuns: 300, seed: 11 },
    )
  })

  it('of the two time domains are apart', () => {
    const { service, at } = openTimers()
    const fired: string[] = []
    at('a', () => {
      service.registerEventTimeTimer(10)
      service.registerProcessingTimeTimer(10)
      service.registerProcessingTimeTimer(20)
      service.deleteEventTimeTimer(20)
    })
    service.eventTimers.fireUpTo(100, (time) => fired.push(`event ${time}`))
    service.processingTimers.fireUpTo(15, (time) => fired.push(`processing ${time}`))
    expect([fired, service.processingTimers.nextAt]).toEqual([['event 10', 'processing 10'], 20])
  })

  it('that firing registers fire in the same step where they are due', () => {
    const { service, at } = openTimers()
    const fired: number[] = []
    at('a', () => service.registerEventTimeTimer(10))
    service.eventTimers.fireUpTo(40, (time) => {
      fired.push(time)
      service.registerEventTimeTimer(time + 10)
    })
    expect([fired, service.eventTimers.nextAt]).toEqual([[10, 20, 30, 40], 50])
  })

  it('that are moved on again and again leave nothing behind in the queue', () => {
    const { service, at } = openTimers()
    for (let time = 0; time < 1000; time++) {
      at('a', () => {
        service.deleteEventTimeTimer(time + 99)
        service.registerEventTimeTimer(time + 100)
      })
    }
    const fired: number[] = []
    const queued = [service.eventTimers.queuedEntries]
    service.eventTimers.fireUpTo(500, (time) => fired.push(time))
    queued.push(service.eventTimers.queuedEntries)
    service.eventTimers.fireUpTo(5000, (time) => fired.push(time))
    expect([queued, fired]).toEqual([[1, 1], [1099]])
  })

  it('belong to a key', () => {
    const { service } = openTimers()
    expect(() => service.registerEventTimeTimer(1)).toThrow('belong to a key')
  })
})
