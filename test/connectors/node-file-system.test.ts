import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeFileSystem } from '../../connectors/node-file-system.ts'
import { fileSystemConformance } from './file-system-conformance.ts'

describe('the file system of the machine', () => {
  fileSystemConformance(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tocsin-files-'))
    const end = () => rm(directory, { recursive: true })
    return { files: nodeFileSystem, directory, end }
  })

  it('names a refusal by its code, path and cause', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tocsin-files-'))
    await chmod(directory, 0o555)
    const path = `${directory}/${'a'.repeat(300)}`
    const error = await nodeFileSystem.openFile(path, 'new').catch((thrown: unknown) => thrown)
    await rm(directory, { recursive: true })
    // A name too long has no code of its own; where permissions count, they come first.
    expect(error).toMatchObject({ code: expect.stringMatching(/^(EIO|EACCES)$/), path })
    expect((error as Error).message).toMatch(/^cannot open .*: E[A-Z]+: /)
    expect((error as Error).cause).toBeInstanceOf(Error)
  })
})
