import type { FieldNode } from './field-node.ts'

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
  /** Length of those bytes. */
  readonly length: number
  /** Four of those bytes each, the last ones overlapping where the length is no multiple of four. */
  readonly words: Int32Array
  /** The wanted field of this name; `null` where it is not wanted. */
  readonly field: FieldNode | null
  readonly followers: LayoutMember[]
}

/**
 * The order of names and the white space that records of a stream have had so far, as a tree: most
 * records repeat one of a few layouts, which are then compared instead of parsed.
 */
export class RecordLayout {
  /** The place after the opening brace. */
  readonly start: LayoutMember = {
    length: 0,
    words: new Int32Array(0),
    field: null,
    followers: [],
  }
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
    const words = wordsOf(bytes.slice(from, to))
    const follower = { length: to - from, words, field, followers: [] }
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

/** The member that these bytes go on with, as far as it is known. */
export function followerAt(member: LayoutMember, view: DataView, at: number): LayoutMember | null {
  const followers = member.followers
  for (let i = 0; i < followers.length; i++) {
    const follower = followers[i] as LayoutMember
    if (startsWith(view, at, follower)) return follower
  }
  return null
}

/** Compares four bytes at a time: names and what is around them are half of most records. */
function startsWith(view: DataView, at: number, { length, words }: LayoutMember): boolean {
  if (at + length > view.byteLength) return false
  const last = words.length - 1
  for (let index = 0; index < last; index++) {
    if (view.getInt32(at + 4 * index, true) !== words[index]) return false
  }
  return view.getInt32(at + length - 4, true) === words[last]
}

function wordsOf(prefix: Uint8Array): Int32Array {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  const words = new Int32Array(Math.ceil(prefix.length / 4))
  for (let index = 0; index < words.length; index++) {
    words[index] = view.getInt32(Math.min(4 * index, prefix.length - 4), true)
  }
  return words
}
