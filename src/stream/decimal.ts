/** Integers of up to so many digits are written out, as `String` writes numbers below 1e21. */
const integerDigitsMax = 21

/**
 * The one spelling of a JSON number's exact decimal value: `1`, `1.0` and `1e0` give `1`, `-0`
 * gives `0`. Integers of at most 21 digits are written out; all else is `<digits>e<exponent>` with
 * no zero at either end of the digits (`1.5` is `15e-1`). Nothing is expanded, so that `1e999999999`
 * costs what its text costs.
 * @param token a valid JSON number; the time is quadratic in the digits of its exponent.
 */
export function canonicalDecimal(token: string): string {
  const negative = token.startsWith('-')
  const exponentAt = token.search(/[eE]/)
  const mantissa = token.slice(negative ? 1 : 0, exponentAt < 0 ? undefined : exponentAt)
  const point = mantissa.indexOf('.')
  const fraction = point < 0 ? '' : mantissa.slice(point + 1)
  const digits = (point < 0 ? mantissa : mantissa.slice(0, point)) + fraction
  const significant = trimZeros(digits)
  if (significant === '') return '0'
  const sign = negative ? '-' : ''
  const trailingZeros = digits.length - endOfDigits(digits)
  const written = exponentAt < 0 ? 0n : BigInt(token.slice(exponentAt + 1).replace('+', ''))
  const exponent = written + BigInt(trailingZeros - fraction.length)
  if (exponent >= 0n && exponent <= BigInt(integerDigitsMax - significant.length)) {
    return sign + significant + '0'.repeat(Number(exponent))
  }
  return `${sign}${significant}e${exponent}`
}

/**
 * A canonical decimal as alerts show it: the number where a double gives the same decimal back,
 * else its digits.
 */
export function decimalValue(canonical: string): number | string {
  const number = Number(canonical)
  if (Number.isFinite(number) && canonicalDecimal(String(number)) === canonical) return number
  const [digits = '', exponent = '0'] = canonical.split('e')
  const places = -Number(exponent)
  const unsigned = digits.replace('-', '')
  if (places <= 0 || places > 2 * integerDigitsMax) return canonical
  const padded = unsigned.padStart(places + 1, '0')
  const sign = unsigned === digits ? '' : '-'
  return `${sign}${padded.slice(0, -places)}.${padded.slice(-places)}`
}

function trimZeros(digits: string): string {
  let first = 0
  while (digits.charCodeAt(first) === 0x30) first++
  return digits.slice(first, Math.max(first, endOfDigits(digits)))
}

function endOfDigits(digits: string): number {
  let end = digits.length
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end--
  return end
}
