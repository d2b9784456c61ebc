import avro from 'avsc'
import { Digits } from './exact-json.ts'

/** How Avro is read: whole numbers and decimals with all their digits. */
export const avroOptions: Partial<avro.ForSchemaOptions> = {
  // Not the registry of types: it would share names between versions of a schema.
  typeHook(schema: unknown): avro.Type | undefined {
    const named = typeof schema === 'object' && schema !== null && 'type' in schema
    return (named ? schema.type : schema) === 'long' ? exactLong : undefined
  },
  logicalTypes: { decimal: decimalType() },
}

/** A number where a double holds it, else a bigint. */
const exactLong = avro.types.LongType.__with({
  fromBuffer(bytes: Buffer) {
    const exact = bytes.readBigInt64LE()
    const near = Number(exact)
    return Number.isSafeInteger(near) ? near : exact
  },
  toBuffer(value: number | bigint) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(value))
    return bytes
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
  compare: (a: number | bigint, b: number | bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

/** `{"type": "bytes", "logicalType": "decimal", "scale": 2}`: a whole number in two's complement. */
function decimalType(): NonNullable<avro.ForSchemaOptions['logicalTypes']>[string] {
  class Decimal extends avro.types.LogicalType {
    readonly #scale: number

    constructor(schema: { readonly scale?: number }, options: never) {
      super(schema as never, options)
      this.#scale = schema.scale ?? 0
    }

    protected override _fromValue(bytes: Uint8Array): Digits {
      return new Digits(decimalText(unscaled(bytes), this.#scale))
    }

    protected override _toValue(value: unknown): unknown {
      return value instanceof Uint8Array ? value : undefined
    }
  }
  return Decimal as unknown as ReturnType<typeof decimalType>
}

function unscaled(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
}

function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const sign = value < 0n ? '-' : ''
  return scale === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-scale)}`
}
