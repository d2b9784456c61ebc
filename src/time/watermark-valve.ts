/**
 * Combines the watermarks of channels: the least of those that are active, never going back
 * (Flink's StatusWatermarkValve). With all channels idle it stands still.
 */
export class WatermarkValve {
  readonly #watermarks: number[] = []
  readonly #active: boolean[] = []
  #current = -Infinity

  /** Adds a channel and returns its index. */
  addChannel(): number {
    this.#active.push(true)
    return this.#watermarks.push(-Infinity) - 1
  }

  /** Epoch ms; minus infinity until every active channel has spoken. */
  get current(): number {
    return this.#current
  }

  /** A channel with a watermark is active. Returns whether the combined one moved. */
  advance(channel: number, watermark: number): boolean {
    this.#active[channel] = true
    if (watermark > (this.#watermarks[channel] ?? -Infinity)) this.#watermarks[channel] = watermark
    return this.#combine()
  }

  /** An idle channel no longer holds the others. Returns whether the combined one moved. */
  markIdle(channel: number): boolean {
    this.#active[channel] = false
    return this.#combine()
  }

  watermarkOf(channel: number): number {
    return this.#watermarks[channel] ?? -Infinity
  }

  isIdle(channel: number): boolean {
    return !this.#active[channel]
  }

  /** Puts back the combined watermark and those of channels, as a checkpoint has them. */
  restore(current: number, channels: Iterable<readonly [number, number, boolean]>): void {
    this.#current = current
    for (const [channel, watermark, isIdle] of channels) {
      this.#watermarks[channel] = watermark
      this.#active[channel] = !isIdle
    }
  }

  #combine(): boolean {
    let least = Infinity
    let anyActive = false
    for (let channel = 0; channel < this.#watermarks.length; channel++) {
      if (!this.#active[channel]) continue
      anyActive = true
      least = Math.min(least, this.#watermarks[channel] as number)
    }
    if (!anyActive || least <= this.#current) return false
    this.#current = least
    return true
  }
}
