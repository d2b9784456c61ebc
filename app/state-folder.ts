import { type ControlSocket, openControlSocket } from './control-socket.ts'
import { lockStateFolder } from './state-lock.ts'

/** A state folder that is this process's own, while it runs a job there. */
export interface StateFolder {
  /** Commands that reach the job while it runs. */
  readonly control: ControlSocket
  /** Rejects when another instance has taken the folder over: this one must end. */
  readonly lost: Promise<never>
  isLost(): boolean
  close(): Promise<void>
}

/**
 * Takes a state folder and opens its control socket.
 * @param say told where it takes long
 * @throws {TocsinError} STATE_LOCKED: another instance has it; STATE_IO
 */
export async function ownStateFolder(
  directory: string,
  say: (text: string) => void,
): Promise<StateFolder> {
  const lock = await lockStateFolder(directory, { onWatch: (text) => say(`${text}\n`) })
  try {
    const control = await openControlSocket(directory)
    return {
      control,
      lost: lock.lost,
      isLost: () => lock.isLost,
      close: async () => {
        await control.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}
