import { FileSystemError } from '../../src/connector/file-system.ts'
import { type ErrorCode, TocsinError } from '../../src/errors.ts'

/**
 * What a failure of RocksDB, or of a file of its folder, means to the job. RocksDB's codes do not
 * tell a damaged file from a refusing system: its message does.
 */
export function storeFailure(verb: string, directory: string, error: unknown): TocsinError {
  if (error instanceof TocsinError) return error
  const cause = firstCause(error)
  const code = failureCode(cause)
  const advice = advices[code]
  const reason = cause instanceof Error ? cause.message.trim() : String(cause)
  const message = `cannot ${verb} the state in ${directory}: ${reason}`
  return new TocsinError(code, advice === undefined ? message : `${message}; ${advice}`, {
    cause: error,
  })
}

const advices: Partial<Record<ErrorCode, string>> = {
  STATE_LOCKED: 'another process, or another job in this one, has it open',
  STATE_DISK_FULL: 'free some space',
  STATE_CORRUPT: 'go back to a retained checkpoint or a savepoint',
}

function failureCode(error: unknown): ErrorCode {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return 'STATE_DISK_FULL'
  if (error instanceof FileSystemError) return 'STATE_IO'
  if (/disk quota exceeded/i.test(message)) return 'STATE_DISK_FULL'
  if (/lock hold by current process|^While lock file/.test(message)) return 'STATE_LOCKED'
  if (message.includes('may be corrupted') || message.startsWith('Corruption')) {
    return 'STATE_CORRUPT'
  }
  // "While open a file for random read: PATH: No such file or directory": RocksDB lost one of its own.
  if (code === 'ENOENT' || message.endsWith('No such file or directory')) return 'STATE_CORRUPT'
  // "While appending to file: PATH: Input/output error" is what the system said.
  if (message.startsWith('While ')) return 'STATE_IO'
  return code === 'EIO' ? 'STATE_CORRUPT' : 'STATE_IO'
}

/** Batches wrap what went wrong: writes as their cause, reads as a list with gaps. */
function firstCause(error: unknown): unknown {
  if (error instanceof AggregateError) {
    const inner: unknown = error.errors.find((each) => each !== undefined && each !== null)
    return inner ?? error
  }
  if (error instanceof FileSystemError) return error
  return error instanceof Error && error.cause instanceof Error ? error.cause : error
}
