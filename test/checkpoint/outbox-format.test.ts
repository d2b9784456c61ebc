import { describe, expect, it } from 'vitest'
import { decodeStagedAlerts, encodeStagedAlerts } from '../../src/checkpoint/outbox-format.ts'

const staged = {
  checkpoint: 2 ** 40 + 1,
  alerts: [
    { id: 'a:firing:1', document: '{"title":"größer als €","n":1}' },
    { id: '', document: '' },
    { id: 'b', document: '{"title":"😀\\u0000"}' },
  ],
}

describe('staged alerts as bytes', () => {
  it('are read back as they were', () => {
    expect(decodeStagedAlerts(encodeStagedAlerts(staged))).toEqual(staged)
    const none = { checkpoint: 0, alerts: [] }
    expect(decodeStagedAlerts(encodeStagedAlerts(none))).toEqual(none)
  })

  it('may be a part of a larger buffer', () => {
    const bytes = encodeStagedAlerts(staged)
    const larger = new Uint8Array(bytes.length + 10).fill(7)
    larger.set(bytes, 5)
    expect(decodeStagedAlerts(larger.subarray(5, 5 + bytes.length))).toEqual(staged)
  })

  // Every release reads what every earlier one wrote.
  it('have these bytes', () => {
    const bytes = encodeStagedAlerts({ checkpoint: 3, alerts: [{ id: 'x', document: '{}' }] })
    expect(bytes.toString('hex')).toBe(
      '54534f42' +
        '00000001' +
        '4008000000000000' +
        '00000001' +
        '0000000178' +
        '000000027b7d' +
        '8fbcebbf',
    )
  })

  it('are refused whatever bit is turned, and however they are cut', () => {
    const bytes = encodeStagedAlerts(staged)
    const accepted: string[] = []
    const tryThem = (what: string, damaged: Uint8Array) => {
      try {
        decodeStagedAlerts(damaged)
        accepted.push(what)
      } catch (error) {
        if ((error as { code?: string }).code !== 'CHECKPOINT_CORRUPT') throw error
      }
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      tryThem(`bit ${bit}`, damaged)
    }
    for (let length = 0; length < bytes.length; length++) {
      tryThem(`length ${length}`, bytes.subarray(0, length))
    }
    expect(accepted).toEqual([])
  })

  it('name a version that is not known', () => {
    const bytes = encodeStagedAlerts(staged)
    bytes.writeUInt32BE(2, 4)
    expect(() => decodeStagedAlerts(bytes)).toThrow(
      'they have version 2 of the format, and this Tocsin knows 1',
    )
  })
})
