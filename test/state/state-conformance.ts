import { expect, it } from 'vitest'
import { CurrentKey } from '../../src/state/current-key.ts'
import type { KeyedStateBackend } from '../../src/state/keyed-state-backend.ts'
import { KeyedStateStore } from '../../src/state/keyed-state-store.ts'
import { deserializeSlot, serializeSlot } from '../../src/state/slot-serializer.ts'
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  type StateTtl,
  valueState,
} from '../../src/state/state-descriptor.ts'
import { hashKey } from '../../src/stream/key-group.ts'

/** What typed state must do on every backend. */
export function stateConformance(make: () => KeyedStateBackend): void {
  const average = aggregatingState('average', {
    createAccumulator: () => ({ sum: 0, count: 0 }),
    add: (value: number, { sum, count }) => ({ sum: sum + value, count: count + 1 }),
    getResult: ({ sum, count }) => sum / count,
  })

  it('keeps every kind of state apart by key', () => {
    const { store, at } = openStore(make())
    const value = store.getState(valueState<string>('value'))
    const list = store.getState(listState<number>('list'))
    const map = store.getState(mapState<string, number>('map'))
    const sum = store.getState(reducingState<number>('sum', (a, b) => a + b))
    const mean = store.getState(average)
    const read = () => [value.value(), list.get(), map.entries(), sum.get(), mean.get()]
    at('a', () => {
      value.update('first')
      value.update('second')
      list.add(1)
      list.addAll([2, 3])
      map.put('x', 1)
      map.putAll([
        ['y', 2],
        ['x', 3],
      ])
      for (const number of [4, 5]) {
        sum.add(number)
        mean.add(number)
      }
    })
    at('b', () => list.update([9]))
    expect({ a: at('a', read), b: at('b', read), c: at('c', read) }).toEqual({
      a: [
        'second',
        [1, 2, 3],
        [
          ['x', 3],
          ['y', 2],
        ],
        9,
        4.5,
      ],
      b: [undefined, [9], [], undefined, undefined],
      c: [undefined, [], [], undefined, undefined],
    })
  })

  it('reads maps as maps', () => {
    const { store, at } = openStore(make())
    const map = store.getState(mapState<number | string, number>('map'))
    at('a', () => {
      map.put(1, 10)
      map.put('1', 20)
      map.put(2, 30)
      map.remove(2)
      map.remove(7)
    })
    expect(
      at('a', () => [
        map.get(1),
        map.get('1'),
        map.has(2),
        map.keys(),
        map.values(),
        map.isEmpty(),
      ]),
    ).toEqual([10, 20, false, [1, '1'], [10, 20], false])
  })

  it('hands out copies: changing one changes no state', () => {
    const { store, at } = openStore(make())
    const list = store.getState(listState<number>('list'))
    at('a', () => list.update([1]))
    at('a', () => list.get().push(2))
    expect(at('a', () => list.get())).toEqual([1])
  })

  it('forgets a key when its last state is cleared', () => {
    const { store, at, key } = openStore(make())
    const value = store.getState(valueState<number>('value'))
    const list = store.getState(listState<number>('list'))
    const map = store.getState(mapState<string, number>('map'))
    const sum = store.getState(reducingState<number>('sum', Math.max))
    const mean = store.getState(average)
    const sizes = [key.size]
    const step = (work: () => void) => {
      at('a', work)
      sizes.push(key.size)
    }
    step(() => value.value())
    step(() => value.clear())
    step(() => value.update(1))
    step(() => list.add(1))
    step(() => value.update(undefined))
    step(() => map.put('x', 1))
    step(() => list.update([]))
    step(() => sum.add(1))
    step(() => map.remove('x'))
    step(() => mean.add(1))
    step(() => sum.clear())
    step(() => mean.clear())
    expect(sizes).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
  })

  it('gives the same state for the same name, and refuses another kind under it', () => {
    const { store } = openStore(make())
    const handle = store.getState(valueState<number>('x'))
    expect(store.getState(valueState<number>('x'))).toBe(handle)
    expect(() => store.getState(listState<number>('x'))).toThrow(
      "state 'x' is a value state and cannot be a list state too",
    )
  })

  it('refuses state where no key is at hand', () => {
    const { store, at } = openStore(make())
    const value = store.getState(valueState<number>('x'))
    at('a', () => value.update(1))
    expect(() => value.value()).toThrow('keyed state and timers belong to a key')
    expect(() => value.update(2)).toThrow('keyed state and timers belong to a key')
  })

  ttlConformance(make)
}

function ttlConformance(make: () => KeyedStateBackend): void {
  const onWrite: StateTtl = { ttlMs: 100 }
  const onRead: StateTtl = { ttlMs: 100, updateType: 'on_read_and_write' }

  it.each([
    { name: 'on_create_and_write', ttl: onWrite, alive: [1, undefined, 2, undefined] },
    { name: 'on_read_and_write', ttl: onRead, alive: [1, 1, 2, undefined] },
  ])('lets a value live from its last refresh: $name', ({ ttl, alive }) => {
    const { store, at, set } = openStore(make())
    const value = store.getState(valueState<number>('x', { ttl }))
    const seen: (number | undefined)[] = []
    const read = () => at('a', () => seen.push(value.value()))
    at('a', () => value.update(1))
    set(99)
    read()
    set(100)
    read()
    at('a', () => value.update(2))
    set(199)
    read()
    set(299)
    read()
    expect(seen).toEqual(alive)
  })

  it('never gives what has expired, at the very moment or later, and removes it as it is read', () => {
    const { store, at, set, key } = openStore(make())
    const value = store.getState(valueState<number>('v', { ttl: onWrite }))
    const list = store.getState(listState<number>('l', { ttl: onWrite }))
    const map = store.getState(mapState<string, number>('m', { ttl: onWrite }))
    const sum = store.getState(reducingState<number>('s', (a, b) => a + b, { ttl: onWrite }))
    at('a', () => {
      value.update(1)
      list.add(1)
      map.put('x', 1)
      sum.add(1)
    })
    set(100)
    const read = at('a', () => [value.value(), list.get(), map.get('x'), map.isEmpty(), sum.get()])
    expect([read, key.size]).toEqual([[undefined, [], undefined, true, undefined], 0])
  })

  it('lets each element of a list and each entry of a map age by itself', () => {
    const { store, at, set } = openStore(make())
    const list = store.getState(listState<string>('l', { ttl: onWrite }))
    const map = store.getState(mapState<string, number>('m', { ttl: onRead }))
    at('a', () => {
      list.add('old')
      map.putAll([
        ['old', 1],
        ['used', 2],
      ])
    })
    set(60)
    at('a', () => {
      list.add('young')
      map.get('used')
      map.put('young', 3)
    })
    set(120)
    expect(at('a', () => [list.get(), map.entries()])).toEqual([
      ['young'],
      [
        ['used', 2],
        ['young', 3],
      ],
    ])
  })

  it('starts a sum anew when the old one has expired', () => {
    const { store, at, set } = openStore(make())
    const sum = store.getState(reducingState<number>('s', (a, b) => a + b, { ttl: onWrite }))
    at('a', () => sum.add(1))
    set(99)
    at('a', () => sum.add(2))
    set(198)
    const kept = at('a', () => sum.get())
    set(199)
    at('a', () => sum.add(4))
    expect([kept, at('a', () => sum.get())]).toEqual([3, 4])
  })

  it('sweeps away what nobody reads, a few entries at a time', () => {
    const { store, at, set, key } = openStore(make())
    const value = store.getState(valueState<number>('v', { ttl: onWrite }))
    const map = store.getState(mapState<string, number>('m', { ttl: onWrite }))
    const forever = store.getState(valueState<number>('f'))
    for (let i = 0; i < 50; i++) at(`value ${i}`, () => value.update(i))
    for (let i = 0; i < 50; i++) at(`map ${i}`, () => map.put('x', i))
    at('kept', () => forever.update(1))
    at('kept', () => value.update(1))
    set(50)
    at('map 0', () => map.put('young', 1))
    store.sweep(1000)
    const before = key.size
    set(100)
    store.sweep(10)
    const during = key.size
    for (let i = 0; i < 20; i++) store.sweep(10)
    const left = [...key.entries()].map((entry) => entry.key).sort()
    expect({ before, during: during > 80 && during < 101, left }).toEqual({
      before: 101,
      during: true,
      left: ['kept', 'map 0'],
    })
    expect(at('map 0', () => map.entries())).toEqual([['young', 1]])
  })

  it('sweeps rightly while keys come and go between its steps', () => {
    const { store, at, set, key } = openStore(make())
    const value = store.getState(valueState<number>('v', { ttl: onWrite }))
    for (let i = 0; i < 500; i++) at(`old ${i}`, () => value.update(i))
    set(100)
    for (let i = 0; i < 500; i++) {
      store.sweep(3)
      at(`new ${i}`, () => value.update(i))
      if (i % 3 === 0) at(`old ${i}`, () => value.clear())
    }
    // A walk that met a growing table may have missed some: another one finds them.
    for (let i = 0; i < 3; i++) store.sweep(10_000)
    expect([...key.entries()].filter((entry) => entry.key.startsWith('old'))).toEqual([])
    expect(key.size).toBe(500)
  })

  it('refuses a TTL that is not more than 0', () => {
    const { store } = openStore(make())
    expect(() => store.getState(valueState('v', { ttl: { ttlMs: 0 } }))).toThrow(
      'a TTL is more than 0 ms, not 0',
    )
  })

  it('comes through its plain form unchanged, ages included', () => {
    const ttl = onWrite
    const serializer = {
      serialize: (value: Date) => value.toISOString(),
      deserialize: (stored: unknown) => new Date(stored as string),
    }
    const descriptors = {
      value: valueState<Date>('v', { ttl, serializer }),
      list: listState<Date>('l', { serializer }),
      map: mapState<string | number, Date>('m', { ttl, serializer }),
      plain: valueState<unknown>('p'),
    }
    const first = openStore(make())
    const day = new Date('2026-01-02T03:04:05Z')
    first.set(7)
    first.at('a', () => {
      first.store.getState(descriptors.value).update(day)
      first.store.getState(descriptors.list).addAll([day, day])
      first.store.getState(descriptors.map).putAll([
        [1, day],
        ['1', day],
      ])
      first.store.getState(descriptors.plain).update({ a: [null, 1.5, 'x'] })
    })
    const second = openStore(make())
    const handles = {
      value: second.store.getState(descriptors.value),
      list: second.store.getState(descriptors.list),
      map: second.store.getState(descriptors.map),
      plain: second.store.getState(descriptors.plain),
    }
    second.at('a', () => {
      for (const { descriptor, slot } of first.store.registered) {
        const form = serializeSlot(descriptor, [...first.key.entries()][0]?.get(slot))
        second.key.write(slot, deserializeSlot(descriptor, JSON.parse(JSON.stringify(form))))
      }
    })
    const read = () =>
      second.at('a', () => [
        handles.value.value(),
        handles.list.get(),
        handles.map.entries(),
        handles.plain.value(),
      ])
    second.set(106)
    const alive = read()
    second.set(107)
    expect([alive, read()]).toEqual([
      [
        day,
        [day, day],
        [
          [1, day],
          ['1', day],
        ],
        { a: [null, 1.5, 'x'] },
      ],
      [undefined, [day, day], [], { a: [null, 1.5, 'x'] }],
    ])
  })
}

/** A store over a backend, with a clock, and `at` to work for a key. */
function openStore(backend: KeyedStateBackend) {
  let now = 0
  const key = new CurrentKey(backend)
  const store = new KeyedStateStore(key, 0, () => now)
  return {
    key,
    store,
    set(time: number): void {
      now = time
    },
    at<T>(name: string, work: () => T): T {
      const bytes = Buffer.from(name, 'latin1')
      key.select(bytes, 0, bytes.length, hashKey(bytes))
      try {
        return work()
      } finally {
        key.release()
      }
    },
  }
}
