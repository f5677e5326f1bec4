// crc32: a WASI preview 1 command in AssemblyScript, without its runtime's imports.
//
// stdin: any bytes. stdout: their CRC-32 (IEEE 802.3) as eight hexadecimal digits and a newline.

@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: i32, iovecs: usize, count: i32, read: usize): i32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, iovecs: usize, count: i32, written: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: i32): void;

const BLOCK: i32 = 65536;

export function _start(): void {
  const table = new StaticArray<u32>(256);
  for (let n: u32 = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  const block = changetype<usize>(new StaticArray<u8>(BLOCK));
  const vector = changetype<usize>(new StaticArray<u32>(3));
  let crc: u32 = 0xffffffff;
  for (;;) {
    store<u32>(vector, <u32>block);
    store<u32>(vector, BLOCK, 4);
    if (fd_read(0, vector, 1, vector + 8)) proc_exit(2);
    const got = load<u32>(vector, 8);
    if (!got) break;
    for (let i: u32 = 0; i < got; i++) {
      crc = table[(crc ^ load<u8>(block + i)) & 0xff] ^ (crc >>> 8);
    }
  }
  crc = ~crc;
  for (let i = 0; i < 8; i++) {
    const digit = <u8>((crc >>> (28 - 4 * i)) & 15);
    store<u8>(block + i, digit < 10 ? 48 + digit : 87 + digit);
  }
  store<u8>(block + 8, 10);
  store<u32>(vector, <u32>block);
  store<u32>(vector, 9, 4);
  if (fd_write(1, vector, 1, vector + 8)) proc_exit(4);
}
