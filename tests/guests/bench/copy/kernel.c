/* Copies between two buffers 8 MiB apart. */
#include "../bench.h"
const u64 expected = 0x9d478109cb50af08;
static struct { u64 from[1 << 20], to[1 << 20]; } b;
u64 kernel(void)
{
    size_t n = sizeof b.from / 8;
    u64 sum = 0;
    for (size_t i = 0; i < n; i++)
        b.from[i] = i * 0x9e3779b97f4a7c15u;
    for (u64 round = 0; round < 48; round++) {
        b.from[round] += round;
        for (size_t i = 0; i < n; i++) {
            b.to[i] = b.from[i];
            __asm__ volatile("" ::: "memory");
        }
        sum = sum * 31 + b.to[n - 1 - round];
    }
    return sum;
}
