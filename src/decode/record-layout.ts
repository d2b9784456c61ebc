import type { FieldNode } from './field-node.ts'
import type { ScannedColumn } from './scanned-column.ts'

/** Ways to go on that are remembered after one member. */
const followersMax = 4

/** Members that are remembered in all. */
const membersMax = 512

/** A name with the space around it that is longer than this is not remembered. */
const prefixBytesMax = 256

/** Members not remembered for lack of room, after which everything is learnt anew. */
const refusedMax = 4_096

/**
 * One member as records have been seen to write it, after those above it in the tree: the bytes
 * between the value before and its own value (`,"name":`), which were valid JSON there, so that
 * equal bytes need no second look.
 */
export interface LayoutMember {
  /** Length of those bytes, four at least. */
  readonly length: number
  /** The first four of them, and the fours that begin at `secondAt` and `thirdAt`. */
  readonly first: number
  readonly secondAt: number
  readonly second: number
  readonly thirdAt: number
  readonly third: number
  /** All of them where the three words do not cover them: four each, the last ones overlapping. */
  readonly words: Int32Array | null
  /** The wanted field of this name; `null` where it is not wanted. */
  readonly field: FieldNode | null
  /** Whether a text here is a value like any other: nothing within the field is wanted. */
  readonly isPlain: boolean
  /** The column of the field, if it has one. */
  readonly column: ScannedColumn | null
  readonly followers: LayoutMember[]
}

/**
 * The order of names and the white space that records of a stream have had so far, as a tree: most
 * records repeat one of a few layouts, which are then compared instead of parsed.
 */
export class RecordLayout {
  /** The place after the opening brace. */
  readonly start: LayoutMember = layoutMember(new Uint8Array(4), null)
  #members = 0
  #refused = 0

  /** Remembers that `bytes[from .. to)` came after `member`; `null` where there is no room. */
  learn(
    member: LayoutMember,
    bytes: Uint8Array,
    from: number,
    to: number,
    field: FieldNode | null,
  ): LayoutMember | null {
    if (member.followers.length >= followersMax || this.#members >= membersMax) {
      if (++this.#refused >= refusedMax) this.#forget()
      return null
    }
    // The shortest there is: `"":`, and a comma or a brace came before.
    if (to - from > prefixBytesMax || to - from < 4) return null
    const follower = layoutMember(bytes.slice(from, to), field)
    member.followers.push(follower)
    this.#members++
    return follower
  }

  #forget(): void {
    this.start.followers.length = 0
    this.#members = 0
    this.#refused = 0
  }
}

/** The member that the bytes at `at` go on with, as far as it is known. @param end that of `view` */
export function followerAt(
  member: LayoutMember,
  view: DataView,
  at: number,
  end: number,
): LayoutMember | null {
  const followers = member.followers
  for (let i = 0; i < followers.length; i++) {
    const follower = followers[i] as LayoutMember
    if (at + follower.length <= end && startsWith(view, at, follower)) return follower
  }
  return null
}

/** Compares four bytes at a time: names and what is around them are half of most records. */
function startsWith(view: DataView, at: number, member: LayoutMember): boolean {
  if (view.getInt32(at, true) !== member.first) return false
  if (view.getInt32(at + member.secondAt, true) !== member.second) return false
  if (view.getInt32(at + member.thirdAt, true) !== member.third) return false
  return member.words === null || areWords(view, at, member.length, member.words)
}

function areWords(view: DataView, at: number, length: number, words: Int32Array): boolean {
  for (let index = 0; index < words.length; index++) {
    if (view.getInt32(at + Math.min(4 * index, length - 4), true) !== words[index]) return false
  }
  return true
}

function layoutMember(prefix: Uint8Array, field: FieldNode | null): LayoutMember {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  const lastAt = prefix.length - 4
  const [secondAt, thirdAt] = [Math.min(4, lastAt), Math.min(8, lastAt)]
  return {
    length: prefix.length,
    first: view.getInt32(0, true),
    secondAt,
    second: view.getInt32(secondAt, true),
    thirdAt,
    third: view.getInt32(thirdAt, true),
    words: lastAt <= 8 ? null : wordsOf(view),
    field,
    isPlain: field === null || field.below.length === 0,
    column: field?.column ?? null,
    followers: [],
  }
}

function wordsOf(view: DataView): Int32Array {
  const words = new Int32Array(Math.ceil(view.byteLength / 4))
  for (let index = 0; index < words.length; index++) {
    words[index] = view.getInt32(Math.min(4 * index, view.byteLength - 4), true)
  }
  return words
}
