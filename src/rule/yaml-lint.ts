import type { Scalar } from 'yaml'

/**
 * What YAML 1.1 makes of a plain scalar where that differs from YAML 1.2; `null` where it does
 * not. A date is left out: read as a text it is what its author meant.
 */
export function yaml11Reading(scalar: Scalar): string | null {
  const { source } = scalar
  if (scalar.type !== 'PLAIN' || source === undefined) return null
  if (/^(?:y|yes|on)$/i.test(source)) return 'true'
  if (/^(?:n|no|off)$/i.test(source)) return 'false'
  if (/^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/.test(source)) return 'a number of base 60'
  if (/^[-+]?0[0-7_]+$/.test(source)) return 'an octal number'
  if (/^[-+]?0b[01_]+$/.test(source)) return 'a binary number'
  if (/^[-+]?\d[\d,_]*_[\d_]*(?:\.[\d_]*)?$/.test(source)) return 'a number'
  if (/^0o[0-7]+$/.test(source)) return 'a text'
  return null
}
