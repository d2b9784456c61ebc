import type { FieldPath } from '../stream/column-batch.ts'
import { ScannedColumn } from './scanned-column.ts'

/** A place in the tree of the fields that are wanted; the root stands for the record. */
export class FieldNode {
  /** Where the value at this place goes; `null` where only values within it are wanted. */
  column: ScannedColumn | null = null
  readonly children: FieldNode[] = []
  /** The columns of all places below this one. */
  readonly below: ScannedColumn[] = []
  readonly name: string
  readonly #nameBytes: Uint8Array

  constructor(name: string) {
    this.name = name
    this.#nameBytes = Buffer.from(name, 'utf8')
  }

  /** The child with this name, given as the plain ASCII bytes inside its quotes. */
  childAt(bytes: Uint8Array, start: number, end: number): FieldNode | null {
    const children = this.children
    for (let i = 0; i < children.length; i++) {
      const child = children[i] as FieldNode
      if (child.#isNamed(bytes, start, end)) return child
    }
    return null
  }

  childNamed(name: string): FieldNode | null {
    return this.children.find((child) => child.name === name) ?? null
  }

  #isNamed(bytes: Uint8Array, start: number, end: number): boolean {
    const name = this.#nameBytes
    if (name.length !== end - start) return false
    for (let i = 0; i < name.length; i++) {
      if (name[i] !== bytes[start + i]) return false
    }
    return true
  }
}

/** The tree of these paths, and their columns in the same order; equal paths share a column. */
export function fieldTree(paths: readonly FieldPath[]): {
  readonly root: FieldNode
  readonly columns: readonly ScannedColumn[]
} {
  const root = new FieldNode('')
  const columns = paths.map((path) => {
    const places = [root]
    for (const name of path) {
      const parent = places.at(-1) as FieldNode
      let child = parent.childNamed(name)
      if (child === null) {
        child = new FieldNode(name)
        parent.children.push(child)
      }
      places.push(child)
    }
    const place = places.pop() as FieldNode
    if (place.column === null) {
      place.column = new ScannedColumn(path)
      for (const above of places) above.below.push(place.column)
    }
    return place.column
  })
  return { root, columns }
}
