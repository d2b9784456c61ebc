import { afterEach, beforeEach, expect, it } from 'vitest'
import { type FileSystem, replaceFile } from '../../src/connector/file-system.ts'

/** Files, and a folder in them that is empty. */
export interface FileWorld {
  readonly files: FileSystem
  readonly directory: string
  /** Removes what the test has left. */
  end(): Promise<void>
}

/** What every file system must keep. */
export function fileSystemConformance(makeWorld: () => Promise<FileWorld>): void {
  let world: FileWorld
  let files: FileSystem
  let at: string
  beforeEach(async () => {
    world = await makeWorld()
    files = world.files
    at = world.directory
  })
  afterEach(() => world.end())

  async function write(path: string, content: string): Promise<void> {
    const file = await files.openFile(path, 'either')
    await file.truncate(0)
    await file.append(Buffer.from(content))
    await file.sync()
    await file.close()
  }

  async function read(path: string): Promise<string> {
    return (await files.readFile(path)).toString()
  }

  it('reads what was appended, whole and in ranges', async () => {
    const file = await files.openFile(`${at}/a`, 'new')
    await file.append(Buffer.from('hello '))
    await file.append(Buffer.alloc(0))
    await file.append(Buffer.from('world'))
    await file.sync()
    await file.close()
    await file.close()
    expect(await read(`${at}/a`)).toBe('hello world')
    const ranges = [
      [0, 5],
      [6, 100],
      [4, 3],
      [11, 5],
      [50, 5],
      [3, 0],
    ] as const
    const found = ranges.map(([offset, length]) => files.readRange(`${at}/a`, offset, length))
    expect((await Promise.all(found)).map(String)).toEqual(['hello', 'world', 'o w', '', '', ''])
  })

  it('writes at a place, beyond the end too', async () => {
    const file = await files.openFile(`${at}/a`, 'new')
    await file.append(Buffer.from('0123456789'))
    await file.writeAt(2, Buffer.from('XY'))
    await file.append(Buffer.from('!'))
    await file.writeAt(13, Buffer.from('Z'))
    await file.append(Buffer.from('?'))
    await file.close()
    expect(await read(`${at}/a`)).toBe('01XY456789!\0\0Z?')
  })

  it('cuts and lengthens, and appends behind the new end', async () => {
    const file = await files.openFile(`${at}/a`, 'new')
    await file.append(Buffer.from('0123456789'))
    await file.truncate(3)
    await file.append(Buffer.from('x'))
    await file.truncate(6)
    await file.close()
    expect(await read(`${at}/a`)).toBe('012x\0\0')
  })

  it('opens new files, existing ones, or either, and keeps what is there', async () => {
    const modes = ['existing', 'new', 'new', 'either', 'existing'] as const
    const outcomes: string[] = []
    for (const mode of modes) {
      try {
        const file = await files.openFile(`${at}/a`, mode)
        await file.append(Buffer.from('.'))
        await file.close()
        outcomes.push(await read(`${at}/a`))
      } catch (error) {
        outcomes.push((error as { code: string }).code)
      }
    }
    const either = await files.openFile(`${at}/b`, 'either')
    await either.close()
    expect(outcomes).toEqual(['ENOENT', '.', 'EEXIST', '..', '...'])
    expect(await read(`${at}/b`)).toBe('')
  })

  it('tells what is where', async () => {
    await files.makeDirectory(`${at}/x/y`)
    await files.makeDirectory(`${at}/x/y`)
    await write(`${at}/x/b`, '12345')
    await write(`${at}/x/a`, '')
    const paths = ['x', 'x/y', 'x/b', 'x/a', 'x/none', 'none/none']
    expect(await Promise.all(paths.map((path) => files.inspect(`${at}/${path}`)))).toEqual([
      { kind: 'directory', size: 0 },
      { kind: 'directory', size: 0 },
      { kind: 'file', size: 5 },
      { kind: 'file', size: 0 },
      undefined,
      undefined,
    ])
    expect(await files.list(`${at}/x`)).toEqual(['a', 'b', 'y'])
  })

  it('renames files and folders, over a file too', async () => {
    await write(`${at}/a`, 'a')
    await write(`${at}/b`, 'b')
    await files.rename(`${at}/a`, `${at}/b`)
    await files.makeDirectory(`${at}/x/y`)
    await write(`${at}/x/y/c`, 'c')
    await files.rename(`${at}/x`, `${at}/z`)
    await files.syncDirectory(at)
    expect(await files.list(at)).toEqual(['b', 'z'])
    expect([await read(`${at}/b`), await read(`${at}/z/y/c`)]).toEqual(['a', 'c'])
  })

  it('gives a file a second name', async () => {
    await write(`${at}/a`, 'one')
    await files.link(`${at}/a`, `${at}/b`)
    const file = await files.openFile(`${at}/a`, 'existing')
    await file.append(Buffer.from(' two'))
    await file.close()
    await files.remove(`${at}/a`)
    expect([await files.list(at), await read(`${at}/b`)]).toEqual([['b'], 'one two'])
  })

  it('removes files and trees', async () => {
    await files.makeDirectory(`${at}/x/y`)
    await write(`${at}/x/y/a`, 'a')
    await write(`${at}/b`, 'b')
    await write(`${at}/c`, 'c')
    await files.remove(`${at}/b`)
    for (const name of ['x', 'c', 'none']) await files.removeTree(`${at}/${name}`)
    expect(await files.list(at)).toEqual([])
  })

  it('refuses by code', async () => {
    await write(`${at}/file`, 'a')
    await write(`${at}/other`, 'b')
    await files.makeDirectory(`${at}/full/inner`)
    await files.makeDirectory(`${at}/folder/inner`)
    const refused = [
      files.readFile(`${at}/none`),
      files.readFile(`${at}/full`),
      files.readRange(`${at}/none`, 0, 1),
      files.openFile(`${at}/none/a`, 'new'),
      files.openFile(`${at}/file/a`, 'new'),
      files.list(`${at}/none`),
      files.list(`${at}/file`),
      files.rename(`${at}/none`, `${at}/b`),
      files.rename(`${at}/folder`, `${at}/full`),
      files.rename(`${at}/folder`, `${at}/file`),
      files.rename(`${at}/file`, `${at}/full`),
      files.link(`${at}/none`, `${at}/b`),
      files.link(`${at}/file`, `${at}/other`),
      files.remove(`${at}/none`),
      files.makeDirectory(`${at}/file`),
      files.syncDirectory(`${at}/none`),
    ]
    const codes = refused.map((each) =>
      each.then(
        () => 'done',
        (error) => `${error.name} ${error.code}`,
      ),
    )
    expect(await Promise.all(codes)).toEqual(
      [
        ...['ENOENT', 'EISDIR', 'ENOENT', 'ENOENT', 'ENOTDIR', 'ENOENT', 'ENOTDIR', 'ENOENT'],
        ...['ENOTEMPTY', 'ENOTDIR', 'EISDIR', 'ENOENT', 'EEXIST', 'ENOENT', 'EEXIST', 'ENOENT'],
      ].map((code) => `FileSystemError ${code}`),
    )
    expect([await read(`${at}/file`), await read(`${at}/other`)]).toEqual(['a', 'b'])
  })

  it('replaces a file in one step', async () => {
    await write(`${at}/state.partial`, 'of an earlier try, and longer')
    await replaceFile(files, at, 'state', Buffer.from('one'))
    await replaceFile(files, at, 'state', Buffer.from('two'))
    expect([await files.list(at), await read(`${at}/state`)]).toEqual([['state'], 'two'])
  })
}
