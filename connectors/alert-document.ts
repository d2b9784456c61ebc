/** The JSON document of an alert, as every sink gets it. */
export interface AlertDocument {
  readonly id: string
  readonly rule: string
  readonly severity: string
  readonly title: string
  readonly state: string
  readonly by: Readonly<Record<string, unknown>>
  /** Epoch ms. */
  readonly event_time: number
  /** Epoch ms. */
  readonly detected_at: number
  readonly tags: readonly string[]
  readonly fields: Readonly<Record<string, unknown>>
  readonly steps: Readonly<Record<string, readonly unknown[]>>
}

export function parseAlert(document: string): AlertDocument {
  return JSON.parse(document) as AlertDocument
}

/** Epoch ms in ISO 8601; a number beyond what a date can be, as it is. */
export function isoTime(epochMs: number): string {
  return Math.abs(epochMs) <= 8.64e15 ? new Date(epochMs).toISOString() : String(epochMs)
}

/** A value of an alert as text: texts as they are, others as JSON. */
export function shownValue(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
