import type { JsonValue } from './alert.ts'
import { type Event, inlineFields } from './event.ts'

/** The field slots of an event as plain JSON data: a list of the value, empty where it is missing. */
export function serializeFields(event: Event): JsonValue[][] {
  const fields: JsonValue[][] = []
  for (let slot = 0; slot < inlineFields + event.moreFields.length; slot++) {
    const value = event.field(slot)
    fields.push(value === undefined ? [] : [value as JsonValue])
  }
  return fields
}

/** The values that `serializeFields` gave this form for, by slot. */
export function deserializeFields(form: readonly JsonValue[][]): unknown[] {
  return form.map(([value]) => value)
}
