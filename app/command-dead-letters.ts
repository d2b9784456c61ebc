import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printable, Redaction, TocsinError } from '../src/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { readConfigOutline, redactOf } from './read-config.ts'
import { keyOf, readRetried, readSideOutput } from './side-output-reader.ts'
import { type RejectedRow, recordBytes, type SideOutputRow } from './side-output-row.ts'
import { sideOutputDirectory } from './side-output-store.ts'
import { paint, type Terminal } from './terminal.ts'

export interface DeadLetterFilter {
  readonly config?: string
  readonly kind?: 'late' | 'dead_letter' | 'suppressed' | 'shadow' | 'undelivered'
  readonly stream?: string
}

export interface ListDeadLettersOptions extends DeadLetterFilter {
  readonly limit?: string
  readonly format: 'pretty' | 'json' | 'ndjson'
}

/** `tocsin dead-letters list`: what is kept, as it may be shown; safe for terminals. */
export async function listDeadLetters(
  options: ListDeadLettersOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const limit = limitOf(options)
  const outline = readConfigOutline(options.config, terminal, true)
  const redactions = new Map(
    [...redactOf(outline)].map(([stream, fields]) => [stream, new Redaction(fields)]),
  )
  const rows: SideOutputRow[] = []
  let total = 0
  const directory = sideOutputDirectory(outline.stateDirectory)
  const delivered = await readRetried(directory)
  for await (const row of readSideOutput(directory)) {
    if (!fits(row, options) || (row.kind === 'undelivered' && delivered.has(keyOf(row)))) continue
    total++
    rows.push(shown(row, redactions))
    if (rows.length > limit) rows.shift()
  }
  switch (options.format) {
    case 'json':
      terminal.print(safeLines(`${JSON.stringify({ total, rows }, null, 2)}\n`))
      break
    case 'ndjson':
      for (const row of rows) terminal.print(safeLines(`${JSON.stringify(row)}\n`))
      break
    case 'pretty':
      for (const row of rows) terminal.print(prettyText(row, terminal))
      terminal.say(`${rows.length} of ${total}${rows.length < total ? ', the newest' : ''}\n`)
  }
  return exitCodes.fine
}

/** `tocsin dead-letters export`: the bytes of records, redacted or not. */
export async function exportDeadLetters(
  options: DeadLetterFilter & { readonly output: string },
  terminal: Terminal,
): Promise<ExitCode> {
  const outline = readConfigOutline(options.config, terminal, true)
  try {
    mkdirSync(options.output)
  } catch (error) {
    const message = `cannot make the folder ${options.output}: ${(error as Error).message}; name a new one`
    throw new TocsinError('OUTPUT_UNWRITABLE', message, { cause: error })
  }
  let count = 0
  for await (const row of readSideOutput(sideOutputDirectory(outline.stateDirectory))) {
    if (!fits(row, options) || isAlert(row)) continue
    count++
    const name = `${String(count).padStart(8, '0')}-${row.stream}-${row.partition}-${row.offset}`
    // The names of streams are plain words.
    writeFileSync(join(options.output, name), recordBytes(row))
  }
  terminal.say(`${count} records written to ${options.output}, as they came: nothing is redacted\n`)
  return exitCodes.fine
}

const prettyLimit = 100

function limitOf({ limit, format }: ListDeadLettersOptions): number {
  if (limit === undefined) return format === 'pretty' ? prettyLimit : Number.POSITIVE_INFINITY
  if (/^[1-9]\d{0,8}$/.test(limit)) return Number(limit)
  throw new TocsinError('USAGE', `--limit takes a whole number of at least 1, got ${limit}`)
}

function fits(row: SideOutputRow, { kind, stream }: DeadLetterFilter): boolean {
  const ownKind = row.kind === 'late_after_idle' ? 'late' : row.kind
  if (kind !== undefined && ownKind !== kind) return false
  return stream === undefined || ('stream' in row && row.stream === stream)
}

/** An alert shows what it may; all else is a record as it came. */
function isAlert(row: SideOutputRow): row is Exclude<SideOutputRow, RejectedRow> {
  return 'alert' in row
}

/** As an alert would show it: a record without what its stream redacts. */
function shown(row: SideOutputRow, redactions: ReadonlyMap<string, Redaction>): SideOutputRow {
  if (isAlert(row)) return row
  const redaction = redactions.get(row.stream)
  if (redaction === undefined || redaction.isEmpty) return row
  const { raw, raw_base64: _, ...others } = row
  return { ...others, raw: redactedRaw(row, redaction) }
}

/** In what is no JSON nobody knows what is to be hidden: nothing of it is shown. */
function redactedRaw(row: RejectedRow, redaction: Redaction): string {
  try {
    const text = row.raw ?? ''
    JSON.parse(text)
    return redaction.textOf(text)
  } catch {
    return `[redacted: ${recordBytes(row).length} bytes that are no JSON]`
  }
}

/** JSON escapes all that ends a line or moves a cursor, but for what only terminals take so. */
function safeLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join('\n')
}

const shownLengthMax = 300

function prettyText(row: SideOutputRow, { colors }: Terminal): string {
  const time = row.kept_at === undefined ? '' : new Date(row.kept_at).toISOString()
  const kind = paint(row.kind, 'yellow', colors.print)
  switch (row.kind) {
    case 'suppressed': {
      const by = printable(JSON.stringify(row.suppressed_by), shownLengthMax)
      return `${time} ${kind} by ${by}\n  ${alertText(row.alert)}\n`
    }
    case 'shadow':
      return `${time} ${kind}\n  ${alertText(row.alert)}\n`
    case 'undelivered': {
      const why = printable(row.reason, shownLengthMax)
      return `${time} ${kind} ${row.sink}, after ${row.attempts} attempts: ${why}\n  ${alertText(row.alert)}\n`
    }
    default: {
      const { cause, stream, partition, offset } = row
      const place = `${cause === undefined ? '' : `${cause} `}${stream}/${partition}/${offset}`
      const bytes = row.raw ?? `base64 ${row.raw_base64}`
      const reason = printable(row.reason, shownLengthMax)
      return `${time} ${kind} ${place}: ${reason}\n  ${printable(bytes, shownLengthMax)}\n`
    }
  }
}

function alertText({ id, rule, title }: Readonly<Record<string, unknown>>): string {
  return printable(`${String(id)} ${String(rule)}: ${String(title)}`, shownLengthMax)
}
