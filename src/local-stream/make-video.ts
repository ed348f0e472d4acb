import { open, rm } from "node:fs/promises";
import { BufferTarget, EncodedPacket, EncodedVideoPacketSource, Mp4OutputFormat, Output } from "mediabunny";

/** One frame a second: only the duration matters, not the picture. */
const FRAME_SECONDS = 1;
/** Size, type and 64-bit size of a box. ISO/IEC 14496-12 section 4.2. */
const LARGE_BOX_HEADER_BYTES = 16;

/** The shortest parameter sets that describe a 16 × 16 H.264 stream (ISO/IEC 14496-15 section 5.3.3). */
const AVC_CONFIGURATION = Uint8Array.from([
  1, 0x42, 0, 0x0a, 0xff, 0xe1, 0, 6, 0x67, 0x42, 0, 0x0a, 0xfb, 0x88, 1, 0, 4, 0x68, 0xce, 0x38, 0x80,
]);
/** An IDR picture of one grey macroblock, predicted from nothing and without residual, so that browsers can play it. */
const FRAME = Uint8Array.from([0, 0, 0, 5, 0x65, 0x88, 0x84, 0x09, 0x3c]);

export interface VideoOptions {
  /** Output file; replaced if it exists. */
  readonly path: string;
  readonly seconds: number;
  /** Size of the file: padded with a `free` box, which takes no space on disk. */
  readonly bytes?: number;
}

/** Makes an MP4 of any length in seconds and in bytes, without an encoder. */
export async function makeVideo({ path, seconds, bytes }: VideoOptions): Promise<void> {
  const video = await encode(seconds);
  const padding = (bytes ?? video.byteLength) - video.byteLength;
  if (padding !== 0 && padding < LARGE_BOX_HEADER_BYTES)
    throw new Error(`A video of ${seconds} s needs ${video.byteLength + LARGE_BOX_HEADER_BYTES} bytes or more.`);

  await rm(path, { force: true });
  const file = await open(path, "w");
  try {
    await file.write(video);
    if (padding === 0) return;
    const header = Buffer.alloc(LARGE_BOX_HEADER_BYTES);
    header.writeUInt32BE(1, 0);
    header.write("free", 4, "latin1");
    header.writeBigUInt64BE(BigInt(padding), 8);
    await file.write(header, 0, header.byteLength, video.byteLength);
    await file.truncate(video.byteLength + padding);
  } finally {
    await file.close();
  }
}

async function encode(seconds: number): Promise<Uint8Array> {
  const output = new Output({ format: new Mp4OutputFormat(), target: new BufferTarget() });
  const source = new EncodedVideoPacketSource("avc");
  output.addVideoTrack(source);
  await output.start();
  for (let time = 0; time < seconds; time += FRAME_SECONDS) {
    const duration = Math.min(FRAME_SECONDS, seconds - time);
    await source.add(new EncodedPacket(FRAME, "key", time, duration), {
      decoderConfig: { codec: "avc1.42000a", codedWidth: 16, codedHeight: 16, description: AVC_CONFIGURATION },
    });
  }
  await output.finalize();
  return new Uint8Array(output.target.buffer ?? new ArrayBuffer(0));
}
