import type { JsonValue } from '../stream/alert.ts'
import type { TimedValue } from './state-aging.ts'
import type { StateDescriptor } from './state-descriptor.ts'

/**
 * A slot's content as plain JSON data, in the form in which a backend with a disk below keeps it.
 * @param stored what the slot of the descriptor holds; not `undefined`
 */
export function serializeSlot(descriptor: StateDescriptor, stored: unknown): JsonValue {
  const one = (value: unknown) => serializeValue(descriptor, value)
  switch (descriptor.kind) {
    case 'value':
    case 'reducing':
    case 'aggregating':
      return one(stored)
    case 'list':
      return (stored as unknown[]).map(one)
    case 'map':
      // Pairs keep the order and the types of the keys, which an object would lose.
      return [...(stored as Map<JsonValue, unknown>)].map(([key, value]) => [key, one(value)])
  }
}

/** The content that `serializeSlot` gave this form for. */
export function deserializeSlot(descriptor: StateDescriptor, form: JsonValue): unknown {
  const one = (value: JsonValue) => deserializeValue(descriptor, value)
  switch (descriptor.kind) {
    case 'value':
    case 'reducing':
    case 'aggregating':
      return one(form)
    case 'list':
      return (form as JsonValue[]).map(one)
    case 'map':
      return new Map((form as [JsonValue, JsonValue][]).map(([key, value]) => [key, one(value)]))
  }
}

/** With a TTL: a pair of time and value. */
function serializeValue({ ttl, serializer }: StateDescriptor, stored: unknown): JsonValue {
  const plain = (value: unknown) =>
    serializer === undefined ? (value as JsonValue) : serializer.serialize(value)
  if (ttl === undefined) return plain(stored)
  const { value, refreshedAt } = stored as TimedValue
  return [refreshedAt, plain(value)]
}

function deserializeValue({ ttl, serializer }: StateDescriptor, form: JsonValue): unknown {
  const whole = (plain: JsonValue) =>
    serializer === undefined ? plain : serializer.deserialize(plain)
  if (ttl === undefined) return whole(form)
  const [refreshedAt, plain] = form as [number, JsonValue]
  return { value: whole(plain), refreshedAt } satisfies TimedValue
}
