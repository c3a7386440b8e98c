/* Calls through pointers. */
#include "../bench.h"
const u64 expected = 0x4115b762adb625fb;
typedef u64 function(u64);
__attribute__((noinline)) static u64 f0(u64 x) { return x + 1; }
__attribute__((noinline)) static u64 f1(u64 x) { return x ^ x >> 7; }
__attribute__((noinline)) static u64 f2(u64 x) { return x * 5; }
__attribute__((noinline)) static u64 f3(u64 x) { return x - 3; }
u64 kernel(void)
{
    static function *volatile table[] = {f0, f1, f2, f3};
    u64 x = 1;
    for (u32 i = 0; i < 100000000; i++)
        x = table[i & 3](x);
    return x;
}
