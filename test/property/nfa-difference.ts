import { assert } from '../../src/errors.ts'
import { MatchStore } from '../../src/nfa/match-store.ts'
import { type EmitOrder, NFA } from '../../src/nfa/nfa.ts'
import { compileNFA } from '../../src/nfa/nfa-compiler.ts'
import { NFAOutput } from '../../src/nfa/nfa-output.ts'
import { type NFAState, none } from '../../src/nfa/nfa-state.ts'
import { readNFAState, writeNFAState } from '../../src/nfa/nfa-state-bytes.ts'
import type { Pattern } from '../../src/pattern/pattern.ts'
import { ByteReader } from '../../src/state/byte-reader.ts'
import { ByteWriter } from '../../src/state/byte-writer.ts'
import type { ArrivedEvent, TakenEvent } from '../../src/stream/event.ts'
import { type FoundMatch, findByBruteForce } from './brute-force-matcher.ts'
import { type Emission, skipByDefinition } from './brute-force-skip.ts'

export interface Answers {
  readonly matches: readonly string[]
  /** Partial matches whose time ran out, each once; only where nothing is skipped. */
  readonly timeouts: readonly string[]
}

export interface Difference {
  readonly expected: Answers
  readonly actual: Answers
}

/**
 * How the automaton's answers differ from those of the definitions: `null` if they do not,
 * `undefined` if the definitions leave the answer open.
 */
export function nfaDifference(
  pattern: Pattern,
  events: readonly ArrivedEvent[],
  emitOrder: EmitOrder,
  movedAt = Infinity,
): Difference | null | undefined {
  const findings = findByBruteForce(pattern, events)
  const emissions = skipByDefinition(findings, pattern.afterMatch, emitOrder)
  if (emissions === null) return undefined
  const output = runNFA(pattern, events, emitOrder, movedAt)
  const skips = pattern.afterMatch.kind !== 'no_skip'
  const found = output.matches.map(({ taken, at }) => `${textOf(taken)} @${at}`)
  const matches = skips ? found : [...found].sort()
  const expected = {
    matches: skips ? expectedInOrder(emissions, matches) : expectedBag(emissions),
    timeouts: skips
      ? []
      : distinct(
          findings.open
            .filter(({ timedOut }) => timedOut)
            .map(({ taken, end }) => `${textOf(taken)} @${end?.timestamp}`),
        ),
  }
  const timeouts = output.timeouts.map(({ taken, at }) => `${textOf(taken)} @${at}`)
  const actual = { matches, timeouts: skips ? [] : distinct(timeouts) }
  return JSON.stringify(expected) === JSON.stringify(actual) ? null : { expected, actual }
}

/** Matches in one order: which step took which events. */
export function matchTexts(matches: readonly FoundMatch[]): string[] {
  return matches.map(({ taken }) => textOf(taken)).sort()
}

/**
 * Time limits are looked at one by one, as the operator does. Before event `movedAt` the state goes
 * through its form into another store, as at a restart.
 */
function runNFA(
  pattern: Pattern,
  events: readonly ArrivedEvent[],
  emitOrder: EmitOrder,
  movedAt: number,
): NFAOutput {
  const options = { emitOrder, limit: 1_000_000, maxMatches: 1_000_000 }
  const compiled = compileNFA(pattern)
  const output = new NFAOutput()
  let nfa = new NFA(compiled, options, new MatchStore())
  let state: NFAState = none
  const advanceTo = (timestamp: number) => {
    for (let at = nfa.nextDeadline(state); at <= timestamp; at = nfa.nextDeadline(state)) {
      if (at === Infinity) return
      state = nfa.advanceTime(state, at, output)
    }
  }
  events.forEach((event, index) => {
    if (index === movedAt && state !== none) {
      const next = new NFA(compiled, options, new MatchStore())
      next.store.continueOrdinals(nfa.store.ordinals)
      const form = new ByteWriter()
      writeNFAState(state, nfa.store, form)
      state = readNFAState(new ByteReader(form.toBuffer()), next.store)
      nfa = next
    }
    advanceTo(event.timestamp)
    state = nfa.process(state, event, output)
  })
  advanceTo(Infinity)
  nfa.release(state)
  assert(nfa.store.size === 0, 'what is not open is not stored')
  return output
}

function expectedBag(emissions: readonly Emission[]): string[] {
  return emissions.flatMap(({ matches }) => matches.map(matchText)).sort()
}

/** The order that the definitions ask for; where they leave a choice, what was found is chosen. */
function expectedInOrder(emissions: readonly Emission[], found: readonly string[]): string[] {
  const expected: string[] = []
  for (const { kind, matches } of emissions) {
    const allowed = matches.map(matchText)
    if (kind === 'one') {
      const next = found[expected.length]
      expected.push(
        next !== undefined && allowed.includes(next) ? next : `one of ${allowed.join(', ')}`,
      )
      continue
    }
    const next = found.slice(expected.length, expected.length + allowed.length)
    const same = [...next].sort().join() === [...allowed].sort().join()
    expected.push(...(same ? next : allowed))
  }
  return expected
}

function matchText({ taken, moment }: Emission['matches'][number]): string {
  return `${textOf(taken)} @${moment.ordinal === -1 ? moment.timestamp : taken.event.timestamp}`
}

/** `s1:a0#0 s2:b3#4`: each event with the step that took it and its place in the stream. */
function textOf(taken: TakenEvent): string {
  const links: string[] = []
  for (let link: TakenEvent | null = taken; link !== null; link = link.previous) {
    links.unshift(`${link.step}:${link.event.raw}#${link.ordinal}`)
  }
  return links.join(' ')
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort()
}
