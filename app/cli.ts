import { Command, CommanderError, Option } from 'commander'
import { type ExitCode, exitCodeOf, exitCodes } from './exit-code.ts'
import { packageVersion } from './package-root.ts'
import { paint, processTerminal, type Terminal } from './terminal.ts'

/**
 * Runs a command line; gives the exit code. Commands are loaded when they are called, so that a
 * small one starts fast.
 */
export async function main(
  args: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.fine
  const program = commandLine(terminal, async (command) => {
    exitCode = await command()
  })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    // Commander has said what is wrong already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.invalid
    sayError(error, terminal)
    return exitCodeOf(error)
  }
  return exitCode
}

type Run = (command: () => Promise<ExitCode>) => Promise<void>

function commandLine(terminal: Terminal, run: Run): Command {
  const program = new Command('tocsin')
    .description('Complex event processing: rules over streams of events, alerts out.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .showHelpAfterError('(tocsin --help lists the commands, tocsin COMMAND --help the options)')
    .configureOutput({
      writeOut: (text) => terminal.print(text),
      writeErr: (text) => terminal.say(text),
      getOutHasColors: () => terminal.colors.print,
      getErrHasColors: () => terminal.colors.say,
    })
    .exitOverride()
  addReplay(program, terminal, run)
  return program
}

function addReplay(program: Command, terminal: Terminal, run: Run): void {
  program
    .command('replay')
    .description('run rules over files, as fast as it goes; alerts go to a file')
    .option('--config <file>', 'configuration (default: tocsin.yaml where there is no --input)')
    .option('--rules <path>', 'folder or file of rules (default: what the configuration says)')
    .option(
      '--input <stream=file>',
      'events of a stream, NDJSON, .gz too, - is stdin; repeatable',
      (value: string, before: string[] = []) => [...before, value],
    )
    .option('--time <field>', 'field of the event time (default: ts)')
    .option('--out-of-orderness <duration>', 'how late an event may come (default: 0s)')
    .option('--from <time>', 'only events from this time on: ISO 8601 or epoch ms')
    .option('--to <time>', 'only events before this time; nothing beyond it is decided')
    .option('--against <path>', 'other rules: say which alerts appear and disappear')
    .option('--output <file>', 'write the alerts here, one JSON document a line')
    .option('--side-output <folder>', 'keep late events, dead letters and suppressed alerts here')
    .addOption(formatOption('pretty', 'json'))
    .action((options) =>
      run(async () => {
        const { replayCommand } = await import('./command-replay.ts')
        return await replayCommand(options, terminal)
      }),
    )
}

function formatOption(...formats: readonly [string, ...string[]]): Option {
  return new Option('--format <format>', 'how the result is shown')
    .choices(formats)
    .default(formats[0])
}

/** One clear line for a mistake; a stack only for what is a bug. */
function sayError(error: unknown, terminal: Terminal): void {
  const label = paint('error:', 'red', terminal.colors.say)
  const { name, code, message, stack } = error as Error & { readonly code?: string }
  if (name === 'InvalidInput') terminal.say(`${message}\n`)
  else if (name === 'TocsinError' && code !== 'ASSERTION') {
    terminal.say(`${label} ${message} (${code})\n`)
  } else {
    terminal.say(`${label} a bug in Tocsin, please report it with the input: ${stack}\n`)
  }
}
