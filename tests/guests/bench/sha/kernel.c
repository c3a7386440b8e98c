/* SHA-256 compression: straight-line 32-bit arithmetic. */
#include "../bench.h"
const u64 expected = 0xc299d3cf158498aa;
#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
u64 kernel(void)
{
    static u32 k[64];
    u64 state = 88172645463325252u;
    for (int i = 0; i < 64; i++)
        k[i] = (u32)next_random(&state);
    u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (u32 round = 0; round < 700000; round++) {
        u32 w[16];
        for (u32 i = 0; i < 16; i++)
            w[i] = h[i & 7] + round * i;
        u32 a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], o = h[7];
        for (int i = 0; i < 64; i++) {
            if (i >= 16) {
                u32 x = w[(i + 1) & 15], y = w[(i + 14) & 15];
                w[i & 15] += (ROR(x, 7) ^ ROR(x, 18) ^ x >> 3) + w[(i + 9) & 15] +
                             (ROR(y, 17) ^ ROR(y, 19) ^ y >> 10);
            }
            u32 t1 = o + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i & 15];
            u32 t2 = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            o = g; g = f; f = e; e = d + t1; d = c; c = b; b = a; a = t1 + t2;
        }
        h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += o;
    }
    return (u64)h[0] << 32 | h[7];
}
