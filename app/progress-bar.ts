import type { JobProgress } from '../src/index.ts'
import type { Terminal } from './terminal.ts'

/** Shows how far a job is, on a terminal only; redraws at most ten times a second. */
export class ProgressBar {
  readonly #terminal: Terminal
  readonly #startedAt = performance.now()
  #drawnAt = Number.NEGATIVE_INFINITY
  #shown = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(progress: JobProgress): void {
    const columns = this.#terminal.progressColumns
    if (columns === null) return
    const now = performance.now()
    if (now - this.#drawnAt < 100) return
    this.#drawnAt = now
    this.#shown = true
    const line = progressLine(progress, now - this.#startedAt)
    this.#terminal.say(`\r${line.slice(0, columns - 1)}\u001b[K`)
  }

  /** Makes room for other talk. */
  clear(): void {
    if (!this.#shown) return
    this.#terminal.say('\r\u001b[K')
    this.#shown = false
    this.#drawnAt = Number.NEGATIVE_INFINITY
  }
}

const barWidth = 20

/** One line of text on how far a job is. */
export function progressLine(progress: JobProgress, elapsedMs: number): string {
  const { bytesRead, bytesTotal, events, alerts, eventTime } = progress
  const rate = Math.round(events / Math.max(elapsedMs / 1000, 0.001))
  const share = bytesTotal === undefined || bytesTotal === 0 ? null : bytesRead / bytesTotal
  const filled = share === null ? 0 : Math.min(barWidth, Math.floor(share * barWidth))
  const bar =
    share === null
      ? `${megabytes(bytesRead)} read`
      : `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${Math.floor(share * 100)} %`
  const at = Number.isFinite(eventTime)
    ? `  ${new Date(Math.max(eventTime, -8.64e15)).toISOString().slice(0, 19)}Z`
    : ''
  return `${bar}  ${count(events)} events  ${count(rate)}/s${at}  ${count(alerts)} alerts`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** A whole number with thousands apart, the same in every locale. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}
