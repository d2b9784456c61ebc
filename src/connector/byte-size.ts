/** A number of bytes, or what is wrong with its text. */
export type ByteSize = { readonly bytes: number } | { readonly problem: string }

/** Reads `512KiB`, `256MiB`, `1.5GiB`. A bare number is a problem that says so. */
export function parseByteSize(value: unknown): ByteSize {
  const parts = typeof value === 'string' ? new RegExp(byteSizePattern).exec(value) : null
  if (parts === null) return { problem: `expected ${byteSizeExpected}` }
  const [, number, unit] = parts
  const bytes = Math.round(Number(number) * (unitBytes[unit as string] as number))
  if (Number.isSafeInteger(bytes)) return { bytes }
  return { problem: `\`${value}\` is too much` }
}

/** What a text must look like to be a number of bytes, as a JSON Schema pattern. */
export const byteSizePattern = '^(\\d+(?:\\.\\d+)?)(KiB|MiB|GiB|TiB)$'

export const byteSizeExpected = 'a number of bytes with its unit, such as `512KiB` or `256MiB`'

const unitBytes: Readonly<Record<string, number>> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
