import { dirname } from 'node:path'

/** Why a path could not be written, and what to do. */
export function writeFailure(error: unknown, path: string): string {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `there is no folder ${dirname(path)}; create it, or choose another path`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'no permission; change its permissions, or choose another path'
    case 'EISDIR':
      return 'it is a folder; name a file in it'
    case 'ENOSPC':
      return 'the disk is full; free some space, or choose another path'
    default:
      return message
  }
}
