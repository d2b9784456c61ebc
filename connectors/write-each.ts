import { PartialWriteError } from '../src/connector/sink.ts'
import type { ConnectorError } from '../src/errors.ts'

/** What became of an alert that was sent. */
export type Verdict =
  | { readonly kind: 'taken' }
  /** The outside as a whole cannot take alerts now. */
  | { readonly kind: 'away'; readonly failure: ConnectorError }
  /** This alert was not taken: for now, or for good. */
  | { readonly kind: 'refused'; readonly failure: ConnectorError }

/**
 * Sends alerts one by one, some at a time, until one finds the outside away.
 * @param send sends the alert of an index; never rejects
 * @throws {ConnectorError} all that were tried found it away; `PartialWriteError`: some were not taken
 */
export async function writeEach(
  count: number,
  atATime: number,
  send: (index: number) => Promise<Verdict>,
): Promise<void> {
  const failures = new Map<number, ConnectorError>()
  const aways: ConnectorError[] = []
  let next = 0
  const sendNext = async () => {
    while (next < count && aways.length === 0) {
      const index = next++
      const verdict = await send(index)
      if (verdict.kind === 'taken') continue
      failures.set(index, verdict.failure)
      if (verdict.kind === 'away') aways.push(verdict.failure)
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, atATime) }, sendNext))
  const [failure] = [...aways, ...failures.values()]
  if (failure === undefined) return
  if (aways.length === count) throw failure
  const untried = Array.from({ length: count - next }, (_, index) => next + index)
  throw new PartialWriteError(failure.message, failures, new Set(untried))
}
