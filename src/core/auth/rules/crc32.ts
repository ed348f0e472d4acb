/** CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320) of ASCII text, as an unsigned 32-bit number. */
export function crc32(ascii: string): number {
  let crc = 0xffff_ffff;
  for (let index = 0; index < ascii.length; index++) {
    crc = (TABLE[(crc ^ ascii.charCodeAt(index)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});
