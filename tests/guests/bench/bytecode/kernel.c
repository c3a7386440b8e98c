/* An interpreter of bytecode: indirect jumps. */
#include "../bench.h"
const u64 expected = 0x6ca379be7efdfa5f;
u64 kernel(void)
{
    static const u8 program[] = {0, 1, 2, 3, 4, 1, 5, 0, 2, 2, 6, 3, 1, 4, 5, 2, 7};
    static void *const labels[] = {&&add, &&sub, &&mix, &&shift, &&xor, &&mul, &&swap, &&again};
    u64 a = 1, b = 2, left = 7500000;
    const u8 *at = program;
#define NEXT goto *labels[*at++]
    NEXT;
add: a += b; NEXT;
sub: b -= a; NEXT;
mix: a ^= b >> 3; NEXT;
shift: b = b << 1 | b >> 63; NEXT;
xor: a ^= b; NEXT;
mul: b *= 0x9e3779b97f4a7c15; NEXT;
swap: a ^= b; b ^= a; a ^= b; NEXT;
again:
    at = program;
    if (--left)
        NEXT;
    return a ^ b;
}
