/* Table CRC over bytes. */
#include "../bench.h"
const u64 expected = 0x00000000c137e5f9;
static u32 table[256];
static u8 data[1 << 16];
u64 kernel(void)
{
    u64 state = 88172645463325252u;
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (u8)next_random(&state);
    u32 crc = ~0u;
    for (int round = 0; round < 2400; round++)
        for (size_t i = 0; i < sizeof data; i++)
            crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return ~crc;
}
