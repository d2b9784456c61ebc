import type { Random } from '../../connectors/generator/random.ts'
import type { StoreChange } from '../../src/connector/state-store.ts'

/** What a name on a simulated disk stands for. */
export type DiskNode = FileNode | DirectoryNode | StoreNode

type FileChange =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number }

/**
 * A file: what is read from it, and what a power cut leaves of it. Changes since the last sync
 * survive in any choice, each perhaps torn; zeros fill what is missing before one that survived.
 */
export class FileNode {
  readonly kind = 'file'
  content: Buffer = Buffer.alloc(0)
  #durable: Buffer = Buffer.alloc(0)
  #pending: FileChange[] = []
  #flips: { readonly at: number; readonly mask: number }[] = []

  change(change: FileChange): void {
    this.content = changed(this.content, change)
    this.#pending.push(change)
    this.#flips = []
  }

  sync(): void {
    for (const change of this.#pending) this.#durable = changed(this.#durable, change)
    this.#pending = []
  }

  /** Linux after a failed sync: what could not be written is no longer tried, though still read. */
  forget(random: Random): void {
    this.#pending = this.#pending.filter(() => random.next() < 0.5)
  }

  /** Changes what lies on the disk; what has not been written there yet, does not rot there. */
  flipBit(random: Random): void {
    if (this.content.length === 0 || this.#pending.length > 0) return
    const at = random.integer(0, this.content.length - 1)
    const mask = 1 << random.integer(0, 7)
    this.#flips.push({ at, mask })
    this.#flip(at, mask)
  }

  /** Takes back what flips have changed, unless it was written to since. */
  mend(): void {
    for (const { at, mask } of this.#flips) this.#flip(at, mask)
    this.#flips = []
  }

  losePower(random: Random): void {
    const chance = survivalChance(random)
    const last = this.#pending.at(-1)
    for (const change of this.#pending) {
      if (random.next() >= chance) continue
      // Where all survive, the last one may still have been under way.
      const tearing = change === last ? 0.5 : chance === 1 ? 0 : 0.25
      const torn = change.kind === 'write' && random.next() < tearing
      this.#durable = changed(this.#durable, torn ? tornWrite(change, random) : change)
    }
    this.#pending = []
    this.content = this.#durable
  }

  #flip(at: number, mask: number): void {
    this.content = flipped(this.content, at, mask)
    this.#durable = flipped(this.#durable, at, mask)
  }
}

type NameChange =
  | { readonly kind: 'set'; readonly name: string; readonly node: DiskNode }
  | { readonly kind: 'drop'; readonly name: string; readonly node: DiskNode }
  | { readonly kind: 'move'; readonly from: string; readonly to: string; readonly node: DiskNode }

/** A folder; changes of names since its last sync survive in any choice, each whole. */
export class DirectoryNode {
  readonly kind = 'directory'
  readonly names = new Map<string, DiskNode>()
  #durable = new Map<string, DiskNode>()
  #pending: NameChange[] = []

  change(change: NameChange): void {
    applyName(this.names, change)
    this.#pending.push(change)
  }

  sync(): void {
    this.#durable = new Map(this.names)
    this.#pending = []
  }

  /** All that it may hold after a crash: what was removed may come back. */
  *children(): Iterable<DiskNode> {
    yield* this.names.values()
    yield* this.#durable.values()
    for (const { node } of this.#pending) yield node
  }

  losePower(random: Random): void {
    const chance = survivalChance(random)
    for (const change of this.#pending) {
      if (random.next() < chance) applyName(this.#durable, change)
    }
    this.#pending = []
    this.names.clear()
    for (const [name, node] of this.#durable) this.names.set(name, node)
  }
}

/** The rows of a simulated store, keys as latin1 texts: their order is that of the bytes. */
export type StoreRows = Map<string, Buffer>

/**
 * The database of a simulated state store. Batches since the last flush survive a power cut up to
 * one of them, each whole.
 */
export class StoreNode {
  readonly kind = 'store'
  /** Not changed in place: who iterates keeps the rows that it began with. */
  rows: StoreRows = new Map()
  /** Keys whose rows the disk has changed. */
  readonly damaged = new Set<string>()
  /** The open store that owns it. */
  owner: object | null = null
  #durable: StoreRows = new Map()
  #pending: (readonly StoreChange[])[] = []

  write(batch: readonly StoreChange[]): void {
    this.rows = changedRows(this.rows, batch)
    this.#pending.push(batch)
    for (const change of batch) {
      if (change.kind === 'put') this.damaged.delete(latin1(change.key))
    }
  }

  flush(): void {
    this.#durable = this.rows
    this.#pending = []
  }

  /** A store of its own with the rows that are there now, durable. */
  copy(): StoreNode {
    const copy = new StoreNode()
    copy.rows = this.rows
    copy.#durable = this.rows
    for (const key of this.damaged) copy.damaged.add(key)
    return copy
  }

  flipBit(random: Random): void {
    const keys = [...this.rows.keys()]
    const key = keys[random.integer(0, keys.length - 1)]
    if (key !== undefined) this.damaged.add(key)
  }

  mend(): void {
    this.damaged.clear()
  }

  losePower(random: Random): void {
    const survivors = random.integer(0, this.#pending.length)
    this.rows = this.#pending.slice(0, survivors).reduce(changedRows, this.#durable)
    this.flush()
  }
}

/** Everything below a folder, itself included, each once, and what may come back there. */
export function nodesBelow(root: DirectoryNode): Set<DiskNode> {
  const found = new Set<DiskNode>([root])
  for (const node of found) {
    if (node.kind === 'directory') for (const child of node.children()) found.add(child)
  }
  return found
}

/** Bytes as text, one char a byte. */
export function latin1(bytes: Buffer): string {
  return bytes.toString('latin1')
}

/** Of changes that were not synced: sometimes none, sometimes all, mostly some. */
function survivalChance(random: Random): number {
  return random.pick([0, 1, 0.2, 0.5, 0.8])
}

function changed(content: Buffer, change: FileChange): Buffer {
  if (change.kind === 'truncate') {
    const grown = Buffer.alloc(change.size)
    content.copy(grown)
    return grown
  }
  const { position, bytes } = change
  const grown = Buffer.alloc(Math.max(content.length, position + bytes.length))
  content.copy(grown)
  bytes.copy(grown, position)
  return grown
}

function tornWrite(change: FileChange & { kind: 'write' }, random: Random): FileChange {
  return { ...change, bytes: change.bytes.subarray(0, random.integer(0, change.bytes.length)) }
}

function flipped(content: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(content)
  if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ mask
  return copy
}

function applyName(names: Map<string, DiskNode>, change: NameChange): void {
  switch (change.kind) {
    case 'set':
      names.set(change.name, change.node)
      break
    case 'drop':
      if (names.get(change.name) === change.node) names.delete(change.name)
      break
    case 'move':
      if (names.get(change.from) === change.node) names.delete(change.from)
      names.set(change.to, change.node)
      break
  }
}

function changedRows(rows: StoreRows, batch: readonly StoreChange[]): StoreRows {
  const next = new Map(rows)
  for (const change of batch) {
    switch (change.kind) {
      case 'put':
        next.set(latin1(change.key), Buffer.from(change.value))
        break
      case 'delete':
        next.delete(latin1(change.key))
        break
      case 'deleteRange': {
        const [gte, lt] = [latin1(change.gte), latin1(change.lt)]
        for (const key of next.keys()) if (key >= gte && key < lt) next.delete(key)
        break
      }
    }
  }
  return next
}
