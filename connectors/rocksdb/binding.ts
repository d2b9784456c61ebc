import type RocksDB from 'rocksdb'
import { TocsinError } from '../../src/errors.ts'

/** The class that the native binding exports. */
export type RocksDBConstructor = typeof RocksDB

/**
 * Loads the native binding, when it is first needed: whoever keeps state in memory runs where it
 * cannot be loaded.
 * @throws {TocsinError} STATE_BINDING_MISSING
 */
export async function loadBinding(
  load: () => Promise<{ readonly default: RocksDBConstructor }> = () => import('rocksdb'),
): Promise<RocksDBConstructor> {
  try {
    return (await load()).default
  } catch (error) {
    const message = `cannot load RocksDB: ${bindingFailure(error)}; or keep state in memory: backend: memory`
    throw new TocsinError('STATE_BINDING_MISSING', message, { cause: error })
  }
}

function bindingFailure(error: unknown): string {
  const { code, message, cause } = error as NodeJS.ErrnoException
  const system = `${process.platform}-${process.arch}`
  const reason = cause instanceof Error ? cause.message : message
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    return 'the package rocksdb is not installed; run npm ci'
  }
  if (code === 'ADDON_NOT_FOUND') return `it has no build for ${system}`
  if (reason.includes('libatomic')) {
    return 'libatomic is missing; install the package libatomic1 (Debian, Ubuntu) or libatomic (Fedora)'
  }
  if (reason.includes('GLIBC')) return `it needs glibc 2.34 or later (Debian 12): ${reason}`
  return `its build for ${system} does not load: ${reason}`
}
