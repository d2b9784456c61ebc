import { WatermarkValve } from '../time/watermark-valve.ts'
import type { RecordReceiver } from './stream-record.ts'

/** Makes one time of that of several channels: the least of those that are not idle. */
export class WatermarkMerger {
  readonly #valve = new WatermarkValve()
  readonly #output: () => Iterable<Pick<RecordReceiver<never>, 'advanceWatermark' | 'markIdle'>>
  #channels = 0
  #idle = false

  constructor(
    output: () => Iterable<Pick<RecordReceiver<never>, 'advanceWatermark' | 'markIdle'>>,
  ) {
    this.#output = output
  }

  /** Epoch ms; minus infinity until every active channel has spoken. */
  get current(): number {
    return this.#valve.current
  }

  addChannel(): number {
    this.#channels++
    return this.#valve.addChannel()
  }

  advance(channel: number, watermark: number): void {
    const moved = this.#valve.advance(channel, watermark)
    if (!moved && !this.#idle) return
    // Behind idleness the old time is sent once more: it says that the input is active again.
    this.#idle = false
    for (const output of this.#output()) output.advanceWatermark(this.#valve.current)
  }

  markIdle(channel: number): void {
    if (this.#valve.markIdle(channel)) {
      for (const output of this.#output()) output.advanceWatermark(this.#valve.current)
    }
    for (let other = 0; other < this.#channels; other++) {
      if (!this.#valve.isIdle(other)) return
    }
    this.#idle = true
    for (const output of this.#output()) output.markIdle()
  }
}
