/* Prints the kernel's sum and powers off: 0 when it is the expected one. */
#include "bench.h"

static void put(char c)
{
    *(volatile u8 *)0x10000000 = (u8)c;
}

void bench(void)
{
    u64 sum = kernel();
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[sum >> shift & 15]);
    put('\n');
    *(volatile u32 *)0x100000 = sum == expected ? 0x5555 : 0x13333;
    for (;;)
        ;
}
