import { Random } from '../../connectors/generator/random.ts'
import { type FileSystem, FileSystemError } from '../../src/connector/file-system.ts'
import type { OpenStateStore } from '../../src/connector/state-store.ts'
import { ConnectorError } from '../../src/errors.ts'
import { DirectoryNode, nodesBelow } from './simulated-disk.ts'
import { SimulatedFileSystem } from './simulated-file-system.ts'
import { simulatedStateStore } from './simulated-state-store.ts'
import { SimulatedTime } from './simulated-time.ts'

/** Thrown by whatever a machine is asked once it is dead. */
export class SimulatedCrash extends Error {
  constructor(operation: number) {
    super(`the simulated machine crashed at operation ${operation}`)
    this.name = 'SimulatedCrash'
  }
}

/** What goes wrong; chances are from 0 (the default) to 1, for each operation. */
export interface SimulatedFaults {
  /** The operation, counted from 1, in the midst of which the machine dies. */
  readonly crashAt?: number
  /** What dies: all (`power`, the default: what was not synced is lost), or the process alone. */
  readonly crash?: 'power' | 'kill'
  /** Of what needs space: ENOSPC, perhaps after a part of it. 1: the disk is full. */
  readonly diskFull?: number
  /** Of everything: EIO; a failed sync may have dropped what it was to write. */
  readonly ioError?: number
  /** Of reads: a bit of what is read changes on the disk, until `mend`. */
  readonly flippedBit?: number
  /** Bits change only where the path holds this; default: everywhere. */
  readonly flippedBitIn?: string
  /** Of calls to what lies outside of the machine: they fail, half of them after they were done. */
  readonly unreachable?: number
  /** Of everything: it takes up to `slowMs` of simulated time; needs `SimulatedTime.run`. */
  readonly slow?: number
  /** Default 1,000. */
  readonly slowMs?: number
}

/** One operation of a port. */
export interface Operation<Result> {
  /**
   * `write` and `sync` need space; `change` is what writes without. `remote` and `receipt` touch no
   * disk; a receipt always arrives.
   */
  readonly kind: 'read' | 'write' | 'change' | 'sync' | 'remote' | 'receipt'
  readonly path: string
  /** What it does, all at once. */
  readonly apply: () => Result
  /** What is left of it when it fails or the machine dies before its end; default: nothing. */
  readonly fail?: (random: Random) => void
}

/** What a machine is made of. */
export interface SimulatedMachineOptions {
  readonly seed: number
  readonly faults?: SimulatedFaults
  readonly time?: SimulatedTime
}

/**
 * A machine with a disk whose every failure follows from a seed: files and stores on it share one
 * count of operations, and one death. `reopen` gives the machine as it is after the next start; the
 * dead one and all that was opened on it throws `SimulatedCrash` for ever.
 */
export class SimulatedMachine {
  readonly time: SimulatedTime
  readonly files: FileSystem
  readonly openStateStore: OpenStateStore
  /** May be changed at any time: a disk that fills up and is cleared again. */
  faults: SimulatedFaults
  /** Operations so far. */
  operations = 0
  readonly #seed: number
  readonly #random: Random
  readonly #root: DirectoryNode
  #crashed = false

  constructor(options: SimulatedMachineOptions, root = new DirectoryNode()) {
    this.#seed = options.seed
    this.#random = new Random(options.seed)
    this.#root = root
    this.time = options.time ?? new SimulatedTime()
    this.faults = options.faults ?? {}
    const files = new SimulatedFileSystem(this, root)
    this.files = files
    this.openStateStore = simulatedStateStore(this, files)
  }

  get crashed(): boolean {
    return this.#crashed
  }

  /** Counts the operation, lets it happen or fail; what goes wrong is drawn from the seed. */
  async perform<Result>(operation: Operation<Result>): Promise<Result> {
    this.#assertAlive()
    const ordinal = ++this.operations
    await this.#delay()
    this.#assertAlive()
    if (ordinal === this.faults.crashAt) {
      this.#interrupt(operation)
      this.crash()
      this.#assertAlive()
    }
    const failure = this.#failure(operation)
    if (failure !== undefined) {
      operation.fail?.(this.#random)
      throw failure
    }
    if (operation.kind === 'remote' && this.#happens(this.faults.unreachable)) {
      if (this.#random.next() < 0.5) operation.apply()
      throw new ConnectorError('OUTPUT_UNWRITABLE', `${operation.path} does not answer`, {
        retryable: true,
      })
    }
    return operation.apply()
  }

  /** Dies now: by default of a power cut. */
  crash(kind: 'power' | 'kill' = this.faults.crash ?? 'power'): void {
    if (this.#crashed) return
    this.#crashed = true
    for (const node of nodesBelow(this.#root)) {
      if (node.kind === 'store') node.owner = null
      if (kind === 'power') node.losePower(this.#random)
    }
  }

  /** The machine after its next start, with the disk as the crash has left it. */
  reopen(faults: SimulatedFaults = {}): SimulatedMachine {
    this.crash()
    return new SimulatedMachine({ seed: this.#seed + 1, faults, time: this.time }, this.#root)
  }

  /** Whether a read finds that the disk has changed a bit. */
  bitFlips(path: string): boolean {
    return path.includes(this.faults.flippedBitIn ?? '') && this.#happens(this.faults.flippedBit)
  }

  /** Gives bits that have changed on the disk, and not been written over, their old values. */
  mend(): void {
    for (const node of nodesBelow(this.#root)) if (node.kind !== 'directory') node.mend()
  }

  /** The numbers that failures are drawn from. */
  get random(): Random {
    return this.#random
  }

  /** Death finds the operation done, or not. */
  #interrupt({ apply, fail }: Operation<unknown>): void {
    if (this.#happens(0.5)) {
      fail?.(this.#random)
      return
    }
    try {
      apply()
    } catch {
      // It was refused, and nobody is there to hear it.
    }
  }

  async #delay(): Promise<void> {
    if (!this.#happens(this.faults.slow)) return
    await this.time.sleep(this.#random.integer(1, this.faults.slowMs ?? 1000))
  }

  #failure({ kind, path }: Operation<unknown>): FileSystemError | undefined {
    if (kind === 'remote' || kind === 'receipt') return undefined
    const needsSpace = kind === 'write' || kind === 'sync'
    if (needsSpace && this.#happens(this.faults.diskFull)) {
      return new FileSystemError('ENOSPC', path, `cannot write ${path}: no space left on device`)
    }
    if (this.#happens(this.faults.ioError)) {
      return new FileSystemError('EIO', path, `cannot ${kind} ${path}: input/output error`)
    }
    return undefined
  }

  /** Draws only where there is a chance, so that one more kind of fault leaves the others' draws. */
  #happens(chance = 0): boolean {
    return chance > 0 && this.#random.next() < chance
  }

  #assertAlive(): void {
    if (this.#crashed) throw new SimulatedCrash(this.operations)
  }
}
