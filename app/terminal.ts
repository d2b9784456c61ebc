import { exitCodes } from './exit-code.ts'

/** What a command sees of the outside: where it writes, and what it is told. */
export interface Terminal {
  /** Data, to stdout. */
  print(text: string): void
  /** Talk and progress, to stderr. */
  say(text: string): void
  /** Whether each is read by a person who likes colours. */
  readonly colors: { readonly print: boolean; readonly say: boolean }
  /** Columns of a terminal that can show progress; `null` where stderr is none. */
  readonly progressColumns: number | null
  /**
   * Calls back when the user asks to stop, once; gives what ends that. Whoever asks again is obeyed
   * at once: the process ends.
   */
  onInterrupt(listener: () => void): () => void
  /** Calls back when the user asks to look at the rules again; gives what ends that. Default: never. */
  onHangup?(listener: () => void): () => void
  /** From here on `hide` takes secrets out of all that is said; only where something can be said. */
  readonly conceal?: (hide: (text: string) => string) => void
}

/** The same terminal, which says nothing secret once it is told what is. */
export function discreet(terminal: Terminal): Terminal {
  const hiders: ((text: string) => string)[] = []
  return {
    ...terminal,
    say: (text) => terminal.say(hiders.reduce((shown, hide) => hide(shown), text)),
    conceal: (hide) => {
      hiders.push(hide)
    },
  }
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process
  const allowed = (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  let readerGone = false
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    // As with `head`: who stops reading has seen enough.
    readerGone = true
  })
  stderr.on('error', () => undefined)
  return {
    print: (text) => {
      if (!readerGone) stdout.write(text)
    },
    say: (text) => {
      stderr.write(text)
    },
    colors: { print: allowed && stdout.isTTY === true, say: allowed && stderr.isTTY === true },
    progressColumns: stderr.isTTY === true ? (stderr.columns ?? 80) : null,
    onHangup(listener) {
      // Of a terminal it means that it has gone away, and what runs there with it.
      if (stderr.isTTY === true) return () => undefined
      process.on('SIGHUP', listener)
      return () => {
        process.off('SIGHUP', listener)
      }
    },
    onInterrupt(listener) {
      const signals = ['SIGINT', 'SIGTERM'] as const
      let asked = false
      const onSignal = () => {
        if (asked) process.exit(exitCodes.interrupted)
        asked = true
        listener()
      }
      for (const signal of signals) process.on(signal, onSignal)
      return () => {
        for (const signal of signals) process.off(signal, onSignal)
      }
    },
  }
}

export type Color = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim'

/** Text in a colour where colours are wanted. */
export function paint(text: string, color: Color, wanted: boolean): string {
  if (!wanted) return text
  const [on, off] = colorCodes[color]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

const colorCodes = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  bold: [1, 22],
  dim: [2, 22],
} as const
