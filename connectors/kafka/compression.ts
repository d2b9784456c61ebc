import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { init, compress as zstdCompress, decompress as zstdDecompress } from '@bokuweb/zstd-wasm'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { compressFrame, decompressFrame } from 'lz4-napi'

/** How the records of a batch are compressed, by the numbers of Kafka's protocol. */
export interface CompressionCodec {
  compress(bytes: Buffer): Promise<Buffer>
  /** @throws {Error} for bytes that are damaged, or that come to more than a batch may */
  decompress(bytes: Buffer): Promise<Buffer>
}

/** What a batch may come to; brokers take a megabyte of compressed records where nothing else is said. */
export const decompressedBytesMax = 256 * 1024 * 1024

const snappyCodec = snappy()

/** Codecs by the three lowest bits of a batch's attributes; 0 is none. */
export const compressionCodecs: ReadonlyMap<number, CompressionCodec> = new Map([
  [
    1,
    {
      compress: promisify(zlib.gzip),
      decompress: (bytes: Buffer) => gunzip(bytes, { maxOutputLength: decompressedBytesMax }),
    },
  ],
  [
    2,
    {
      compress: async (bytes: Buffer) => Buffer.from(await snappyCodec.compress({ buffer: bytes })),
      decompress: async (bytes: Buffer) => Buffer.from(await snappyCodec.decompress(bytes)),
    },
  ],
  [3, { compress: (bytes: Buffer) => compressFrame(bytes), decompress: decompressFrame }],
  [4, zstdCodec()],
])

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)

/** Teaches kafkajs, whose producer knows only gzip, the other codecs. */
export function registerCompression(): void {
  const codecs: Record<number, () => unknown> = kafkajs.CompressionCodecs
  for (const [type, { compress, decompress }] of compressionCodecs) {
    codecs[type] = () => ({
      compress: ({ buffer }: { readonly buffer: Buffer }) => compress(buffer),
      decompress,
    })
  }
}

/** Node has its own zstd from 22.15 on. */
function zstdCodec(): CompressionCodec {
  const native = zlib as typeof zlib & Partial<NativeZstd>
  if (native.zstdCompress !== undefined && native.zstdDecompress !== undefined) {
    const decompress = promisify<Buffer, object, Buffer>(native.zstdDecompress)
    return {
      compress: promisify<Buffer, Buffer>(native.zstdCompress),
      decompress: (bytes) => decompress(bytes, { maxOutputLength: decompressedBytesMax }),
    }
  }
  return {
    async compress(bytes) {
      await loadedZstd()
      return Buffer.from(zstdCompress(bytes))
    },
    async decompress(bytes) {
      await loadedZstd()
      return decompressZstd(bytes)
    },
  }
}

interface NativeZstd {
  zstdCompress(bytes: Buffer, done: (error: Error | null, result: Buffer) => void): void
  zstdDecompress(
    bytes: Buffer,
    options: object,
    done: (error: Error | null, result: Buffer) => void,
  ): void
}

let zstdLoading: Promise<void> | null = null

function loadedZstd(): Promise<void> {
  zstdLoading ??= init()
  return zstdLoading
}

/** Frames that were written as a stream do not say how long they come to: room is made until it fits. */
function decompressZstd(bytes: Buffer): Buffer {
  for (let room = Math.max(1024 * 1024, 8 * bytes.length); ; room *= 4) {
    try {
      return Buffer.from(zstdDecompress(bytes, { defaultHeapSize: room }))
    } catch (error) {
      if (room >= decompressedBytesMax) throw error
    }
  }
}
