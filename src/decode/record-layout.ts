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
  readonly prefix: Uint8Array
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
  readonly start: LayoutMember = { prefix: new Uint8Array(0), field: null, followers: [] }
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
    if (to - from > prefixBytesMax) return null
    const follower = { prefix: bytes.slice(from, to), field, followers: [] }
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
export function followerAt(
  member: LayoutMember,
  bytes: Uint8Array,
  at: number,
): LayoutMember | null {
  const followers = member.followers
  for (let i = 0; i < followers.length; i++) {
    const follower = followers[i] as LayoutMember
    if (startsWith(bytes, at, follower.prefix)) return follower
  }
  return null
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[at + i] !== prefix[i]) return false
  }
  return true
}
