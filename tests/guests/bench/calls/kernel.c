/* Recursive calls. */
#include "../bench.h"
const u64 expected = 0x0000000001709e79;
__attribute__((noinline, optimize("no-optimize-sibling-calls", "no-inline"))) static u64 fib(u64 n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
u64 kernel(void)
{
    return fib(37);
}
