import { Argument, Command, CommanderError, Option } from 'commander'
import { type ExitCode, exitCodeOf, exitCodes } from './exit-code.ts'
import { packageVersion } from './package-root.ts'
import { discreet, paint, processTerminal, type Terminal } from './terminal.ts'

/**
 * Runs a command line; gives the exit code. Commands are loaded when they are called, so that a
 * small one starts fast.
 */
export async function main(
  args: readonly string[],
  given: Terminal = processTerminal(),
): Promise<ExitCode> {
  const terminal = discreet(given)
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
  addRunning(program, terminal, run)
  addReplay(program, terminal, run)
  addChecking(program, terminal, run)
  addLooking(program, terminal, run)
  addSavepoints(program, terminal, run)
  addDoctor(program, terminal, run)
  addDeadLetters(program, terminal, run)
  addLater(program, run)
  return program
}

function addRunning(program: Command, terminal: Terminal, run: Run): void {
  program
    .command('run')
    .description('run the streams of tocsin.yaml through its rules to its sinks')
    .option('--config <file>', 'configuration (default: tocsin.yaml)')
    .addOption(
      new Option(
        '--log-format <format>',
        'how it tells of itself (default: json where a stream never ends and stderr is no terminal)',
      ).choices(['pretty', 'json']),
    )
    .action((options) =>
      run(async () => {
        const { runCommand } = await import('./command-run.ts')
        return await runCommand(options, terminal)
      }),
    )
  program
    .command('demo')
    .description('run the shipped rules over made-up traffic, and show the alerts')
    .action(() =>
      run(async () => {
        const { demoCommand } = await import('./command-demo.ts')
        return await demoCommand(terminal)
      }),
    )
}

function addChecking(program: Command, terminal: Terminal, run: Run): void {
  program
    .command('check')
    .argument('[path...]', 'rules, or tocsin.yaml (default: tocsin.yaml and its rules, or rules/)')
    .description('say everything that is wrong with rules and configuration')
    .option('--config <file>', 'configuration that declares the streams and sinks')
    .option('--connect', 'try to open the streams of the configuration too')
    .addOption(formatOption('pretty', 'json', 'sarif'))
    .action((paths, options) =>
      run(async () => {
        const { checkCommand } = await import('./command-check.ts')
        return await checkCommand(paths, options, terminal)
      }),
    )
  program
    .command('test')
    .argument('[path...]', 'rules (default: those of tocsin.yaml, or rules/)')
    .description("run the rules' own tests, on the engine, in virtual time")
    .option('--config <file>', 'configuration of the streams (default: tocsin.yaml, if there)')
    .option('--run <regexp>', 'only tests whose name, RULE > TEST, fits')
    .addOption(formatOption('pretty', 'json', 'junit'))
    .action((paths, options) =>
      run(async () => {
        const { testCommand } = await import('./command-test.ts')
        return await testCommand(paths, options, terminal)
      }),
    )
  program
    .command('diff')
    .argument('<old>', 'rules as they were')
    .argument('<new>', 'rules as they shall be')
    .description('say which edits of rules keep their state')
    .addOption(formatOption('pretty', 'json'))
    .action((oldPath, newPath, options) =>
      run(async () => {
        const { diffCommand } = await import('./command-diff.ts')
        return await diffCommand(oldPath, newPath, options, terminal)
      }),
    )
}

function addLooking(program: Command, terminal: Terminal, run: Run): void {
  program
    .command('explain')
    .argument('<rule>', 'id of a rule, or a file')
    .description('show what a rule is compiled to, and what it may keep')
    .option('--config <file>', 'configuration of the streams (default: tocsin.yaml, if there)')
    .option(
      '--rules <path>',
      'where an id is looked for (default: those of the configuration, or rules/)',
    )
    .option('--event <@file>', 'how far events got, and what stopped them: NDJSON, @- is stdin')
    .option('--time <field>', 'field of their event time (default: that of their stream, or ts)')
    .option('--key <key>', 'only those of this key; parts with commas between')
    .addOption(formatOption('text', 'mermaid', 'dot', 'json'))
    .action((rule, options) =>
      run(async () => {
        const { explainCommand } = await import('./command-explain.ts')
        return await explainCommand(rule, options, terminal)
      }),
    )
  program
    .command('schema')
    .addArgument(new Argument('[what]', 'which schema').choices(['rule', 'config']).default('rule'))
    .description('print the JSON Schema of rules, or of tocsin.yaml')
    .action((what) =>
      run(async () => {
        const { schemaCommand } = await import('./command-schema.ts')
        return await schemaCommand(what, terminal)
      }),
    )
}

function addDoctor(program: Command, terminal: Terminal, run: Run): void {
  program
    .command('doctor')
    .description('look at this machine, and read all of the state with its checksums')
    .option('--config <file>', 'configuration of the job (default: tocsin.yaml, if there)')
    .addOption(formatOption('pretty', 'json'))
    .action((options) =>
      run(async () => {
        const { doctorCommand } = await import('./command-doctor.ts')
        return await doctorCommand(options, terminal)
      }),
    )
}

function addSavepoints(program: Command, terminal: Terminal, run: Run): void {
  const savepoint = program
    .command('savepoint')
    .description('keep the state of a job in a file, and go on from it elsewhere')
  savepoint
    .command('create')
    .description('write the state of a job, running or not, to a file; prints its path')
    .option('--config <file>', 'configuration of the job (default: tocsin.yaml)')
    .option('--output <path>', 'file, or folder (default: the current one)')
    .action((options) =>
      run(async () => {
        const { savepointCreateCommand } = await import('./command-savepoint.ts')
        return await savepointCreateCommand(options, terminal)
      }),
    )
  savepoint
    .command('restore')
    .argument('<savepoint>', 'the file')
    .description('make the state of a job that has none yet, from which the next run goes on')
    .option('--config <file>', 'configuration of the job (default: tocsin.yaml)')
    .option(
      '--reset <stream>',
      'read this stream from its beginning; repeatable',
      (value: string, before: string[] = []) => [...before, value],
    )
    .action((file, options) =>
      run(async () => {
        const { savepointRestoreCommand } = await import('./command-savepoint.ts')
        return await savepointRestoreCommand(file, options, terminal)
      }),
    )
  savepoint
    .command('inspect')
    .argument('<savepoint>', 'the file')
    .description('say what a savepoint holds, and check it')
    .addOption(formatOption('pretty', 'json'))
    .action((file, options) =>
      run(async () => {
        const { savepointInspectCommand } = await import('./command-savepoint.ts')
        return await savepointInspectCommand(file, options, terminal)
      }),
    )
}

function addDeadLetters(program: Command, terminal: Terminal, run: Run): void {
  const deadLetters = program
    .command('dead-letters')
    .description('what a job has left out: late events, dead letters, suppressed and lost alerts')
  const kinds = ['late', 'dead_letter', 'suppressed', 'shadow', 'undelivered']
  const kind = () => new Option('--kind <kind>', 'only of this kind').choices(kinds)
  deadLetters
    .command('list')
    .description('show what is kept, the oldest first')
    .option('--config <file>', 'configuration (default: tocsin.yaml)')
    .addOption(kind())
    .option('--stream <name>', 'only of this stream')
    .option('--limit <n>', 'only the newest n (default: 100 where the format is pretty)')
    .addOption(formatOption('pretty', 'json', 'ndjson'))
    .action((options) =>
      run(async () => {
        const { listDeadLetters } = await import('./command-dead-letters.ts')
        return await listDeadLetters(options, terminal)
      }),
    )
  deadLetters
    .command('retry')
    .description('give undelivered alerts to their sinks again')
    .option('--config <file>', 'configuration (default: tocsin.yaml)')
    .option('--sink <name>', 'only those of this sink')
    .action((options) =>
      run(async () => {
        const { retryDeadLetters } = await import('./dead-letter-retry.ts')
        return await retryDeadLetters(options, terminal)
      }),
    )
  deadLetters
    .command('export')
    .description('write records that were left out as they came, one file each')
    .requiredOption('--output <folder>', 'where to; a new folder')
    .option('--config <file>', 'configuration (default: tocsin.yaml)')
    .addOption(kind())
    .option('--stream <name>', 'only of this stream')
    .action((options) =>
      run(async () => {
        const { exportDeadLetters } = await import('./command-dead-letters.ts')
        return await exportDeadLetters(options, terminal)
      }),
    )
}

/** Known names that come with later milestones. */
function addLater(program: Command, run: Run): void {
  for (const name of ['tap']) {
    program
      .command(name, { hidden: true })
      .argument('[argument...]')
      .allowUnknownOption()
      .action(() =>
        run(async () => {
          throw notYet(`tocsin ${name}`)
        }),
      )
  }
}

/** Looks like a TocsinError without loading the engine, which takes longer than to say no. */
function notYet(what: string): Error {
  const error = new Error(`not yet: ${what} is known, but not built`)
  return Object.assign(error, { name: 'TocsinError', code: 'USAGE' })
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
  else if (toldErrors.includes(name) && code !== 'ASSERTION') {
    terminal.say(`${label} ${message} (${code})\n`)
  } else {
    terminal.say(`${label} a bug in Tocsin, please report it with the input: ${stack}\n`)
  }
}

/** Errors that say what is wrong, by name: their classes are not loaded for the sake of a message. */
const toldErrors = ['TocsinError', 'ConnectorError', 'PartialWriteError']
