import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { askJob, openControlSocket } from '../../app/control-socket.ts'
import { ownStateFolder } from '../../app/state-folder.ts'
import { lockStateFolder } from '../../app/state-lock.ts'
import { TocsinError } from '../../src/errors.ts'
import { folderWith } from './command-line.ts'

const silent = () => undefined

function lockIn(folder: string) {
  return JSON.parse(readFileSync(join(folder, 'lock'), 'utf8'))
}

describe('the lock of a state folder', () => {
  it('refuses a second instance, and names process and host of the first', async () => {
    const folder = folderWith({})
    const first = await lockStateFolder(folder)
    await expect(lockStateFolder(folder)).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
    })
    first.release()
    const second = await lockStateFolder(folder)
    second.release()
    expect(readdirSync(folder)).toEqual([])
  })

  it('is taken over from a dead process, also where its id is used again', async () => {
    const folder = folderWith({})
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'close')
    const lock = await lockStateFolder(folder)
    const own = lockIn(folder)
    lock.release()
    const dead = [
      { ...own, pid: child.pid },
      { ...own, began: `${own.began}1` },
      { ...own, boot: 'another start of the system' },
    ]
    for (const owner of dead) {
      writeFileSync(join(folder, 'lock'), JSON.stringify(owner))
      const taken = await lockStateFolder(folder)
      expect(lockIn(folder)).toEqual(own)
      taken.release()
    }
  })

  it('is watched where it is of another machine, and taken over where nobody renews it', async () => {
    const folder = folderWith({})
    const foreign = { pid: 1, host: 'elsewhere', boot: '', began: '' }
    const said: string[] = []
    const options = { renewalMs: 20, onWatch: (text: string) => said.push(text) }
    for (const text of [JSON.stringify(foreign), '{"pid":']) {
      writeFileSync(join(folder, 'lock'), text)
      const lock = await lockStateFolder(folder, options)
      expect(lockIn(folder).pid).toBe(process.pid)
      lock.release()
    }
    expect(said.map((text) => /lock of (.*), of which/.exec(text)?.[1])).toEqual([
      'process 1 on elsewhere',
      'a process',
    ])
    writeFileSync(join(folder, 'lock'), JSON.stringify(foreign))
    const renewal = setInterval(
      () => writeFileSync(join(folder, 'lock'), JSON.stringify(foreign)),
      5,
    )
    try {
      await expect(lockStateFolder(folder, options)).rejects.toMatchObject({
        code: 'STATE_LOCKED',
        message: expect.stringContaining('process 1 on elsewhere'),
      })
    } finally {
      clearInterval(renewal)
    }
  })

  it('tells its holder when another one has taken it, and is not released then', async () => {
    const folder = folderWith({})
    const lock = await lockStateFolder(folder, { renewalMs: 5 })
    const other = JSON.stringify({ pid: 2, host: 'elsewhere', boot: '', began: '' })
    writeFileSync(join(folder, 'lock'), other)
    await expect(lock.lost).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      message: expect.stringContaining('process 2 on elsewhere'),
    })
    lock.release()
    expect(readFileSync(join(folder, 'lock'), 'utf8')).toBe(other)
  })
})

describe('the control socket', () => {
  it('carries a request and its response, and refuses what is not served', async () => {
    const folder = folderWith({})
    const owned = await ownStateFolder(folder, silent)
    owned.control.handle('echo', async ({ text }) => ({ text }))
    owned.control.handle('nothing', async () => undefined)
    owned.control.handle('fail', async () => {
      throw new TocsinError('STATE_DISK_FULL', 'no space')
    })
    const long = 'ä\n'.repeat(50_000)
    expect(await askJob(folder, { command: 'echo', text: long })).toEqual({ text: long })
    expect(await askJob(folder, { command: 'nothing' })).toBe(null)
    await expect(askJob(folder, { command: 'fail' })).rejects.toMatchObject({
      code: 'STATE_DISK_FULL',
      message: 'no space',
    })
    await expect(askJob(folder, { command: 'other' })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('it serves: echo, nothing, fail'),
    })
    expect(statSync(join(folder, 'control.sock')).mode & 0o777).toBe(0o600)
    await owned.close()
    expect(readdirSync(folder)).toEqual([])
    await expect(askJob(folder, { command: 'echo' })).rejects.toMatchObject({
      code: 'CONTROL_UNREACHABLE',
    })
  })

  it('works in a folder whose path is longer than a socket may have', async () => {
    const folder = join(folderWith({}), 'deep'.repeat(30))
    mkdirSync(folder)
    const control = await openControlSocket(folder)
    control.handle('echo', async ({ text }) => text)
    expect(await askJob(folder, { command: 'echo', text: 'x' })).toBe('x')
    const path = readFileSync(join(folder, 'control'), 'utf8')
    expect([path.startsWith('/'), statSync(dirname(path)).mode & 0o777]).toEqual([true, 0o700])
    await control.close()
    expect([readdirSync(folder), existsSync(dirname(path))]).toEqual([[], false])
  })

  it('replaces what a dead process left, and says so to who asks before', async () => {
    const folder = folderWith({ control: 'control.sock', 'control.sock': '' })
    await expect(askJob(folder, { command: 'echo' })).rejects.toMatchObject({
      code: 'CONTROL_UNREACHABLE',
    })
    const control = await openControlSocket(folder)
    control.handle('echo', async ({ text }) => text)
    expect(await askJob(folder, { command: 'echo', text: 'x' })).toBe('x')
    await control.close()
  })

  it('waits for what is under way when it is closed, and not for who only listens', async () => {
    const folder = folderWith({})
    const control = await openControlSocket(folder)
    let finish = (_: string) => {}
    const begun = new Promise<void>((resolve) => {
      control.handle('slow', () => {
        resolve()
        return new Promise((done) => {
          finish = done
        })
      })
    })
    const idle = createConnection(join(folder, 'control.sock'))
    await once(idle, 'connect')
    const answer = askJob(folder, { command: 'slow' })
    await begun
    const closed = control.close()
    finish('done')
    expect(await answer).toBe('done')
    await closed
  })

  it('tells of a job that does not answer in time, and of a line that is no request', async () => {
    const folder = folderWith({})
    const control = await openControlSocket(folder)
    let finish = (_: null) => {}
    control.handle('slow', () => new Promise((done) => (finish = done)))
    await expect(askJob(folder, { command: 'slow' }, 20)).rejects.toMatchObject({
      code: 'CONTROL_UNREACHABLE',
      message: expect.stringContaining('no answer within 0.02 s'),
    })
    finish(null)
    const socket = createConnection(join(folder, 'control.sock'))
    socket.write('{"command":\n')
    const [text] = await once(socket, 'data')
    expect(JSON.parse(String(text))).toMatchObject({ ok: false, code: 'USAGE' })
    await control.close()
  })
})
