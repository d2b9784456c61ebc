import { ConnectorError } from '../../src/errors.ts'
import { printable } from '../../src/stream/printable-text.ts'
import type { Verdict } from '../write-each.ts'
import type { HTTPAnswer } from './http-client.ts'

/** Characters of an answer's body that a message shows. */
const shownLengthMax = 200

/** Statuses that say that the endpoint is not itself, not that it dislikes the alert. */
const awayStatuses = new Set([401, 403, 404, 407, 429, 502, 503, 504])
/** Beside 5xx: the same request may be taken later. */
const retriedStatuses = new Set([...awayStatuses, 408, 409, 421, 423, 425])

/**
 * What an answer means: 2xx is taken; redirects, 501, 505 and other 4xx are final. Wrong credentials
 * and an address that is not found are tried again, since they are mended at the other end.
 * @param hide takes secrets out of what the endpoint has said
 * @param now epoch ms
 */
export function verdictOf(
  target: string,
  { status, headers, text }: HTTPAnswer,
  hide: (text: string) => string,
  now: number,
): Verdict {
  if (status >= 200 && status < 300) return { kind: 'taken' }
  const retryable = retriedStatuses.has(status) || (status >= 500 && ![501, 505].includes(status))
  const said = text.trim() === '' ? '' : `: ${printable(hide(text.trim()), shownLengthMax)}`
  const retryAfterMs = retryable ? retryAfterOf(headers['retry-after'], now) : undefined
  const message = `${target} answered ${status}${said}${hintOf(status)}`
  const failure = new ConnectorError('OUTPUT_UNWRITABLE', message, {
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
  return { kind: awayStatuses.has(status) ? 'away' : 'refused', failure }
}

function hintOf(status: number): string {
  if (status >= 300 && status < 400) return '; redirects are not followed: write the new address'
  if (status === 401 || status === 403) return '; check the headers or the signing secret'
  return ''
}

/** `Retry-After` in ms: seconds, or a date. */
function retryAfterOf(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
