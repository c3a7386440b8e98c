/* A chain of pointers through 16 MiB in random order. */
#include "../bench.h"
const u64 expected = 0x000000000006284a;
enum { N = 1 << 21 };
static u32 order[N];
static u64 next[N];
u64 kernel(void)
{
    u64 state = 88172645463325252u;
    for (u32 i = 0; i < N; i++)
        order[i] = i;
    for (u32 i = N - 1; i > 0; i--) {
        u32 j = next_random(&state) % i, t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (u32 i = 0; i < N; i++)
        next[order[i]] = order[(i + 1) & (N - 1)];
    u64 at = 0;
    for (u32 i = 0; i < 1500000; i++)
        at = next[at];
    return at;
}
