import { expect, it } from 'vitest'
import { RecordOutput } from '../../src/operator/stream-record.ts'
import { UnionOperator } from '../../src/operator/union-operator.ts'
import { WatermarkMerger } from '../../src/operator/watermark-merger.ts'

/** A union of two sources of one split each, and what it tells of time. */
function openUnion() {
  const output = new RecordOutput<number>()
  const told: (number | 'idle')[] = []
  output.addReceiver({
    addSplit: () => undefined,
    processElement: () => undefined,
    advanceWatermark: (watermark) => told.push(watermark),
    markIdle: () => told.push('idle'),
  })
  const union = new UnionOperator(output)
  const source = () => {
    const input = union.addInput()
    const merger = new WatermarkMerger(() => [input])
    merger.addChannel()
    return merger
  }
  return { told, a: source(), b: source() }
}

it('the time of a union waits for a stream that has been idle as soon as it is active again', () => {
  const { told, a, b } = openUnion()
  a.advance(0, 30)
  b.advance(0, 50)
  a.markIdle(0)
  a.advance(0, 30)
  b.advance(0, 100)
  a.advance(0, 70)
  expect(told).toEqual([30, 50, 70])
})

it('a union is idle while all of its streams are', () => {
  const { told, a, b } = openUnion()
  a.advance(0, 30)
  b.advance(0, 50)
  a.markIdle(0)
  b.markIdle(0)
  b.advance(0, 50)
  b.advance(0, 60)
  expect(told).toEqual([30, 50, 'idle', 50, 60])
})
