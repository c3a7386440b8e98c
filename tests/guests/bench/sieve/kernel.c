/* Sieve of Eratosthenes. */
#include "../bench.h"
const u64 expected = 0x000005fd69dd5ec0;
static u8 composite[1 << 20];
u64 kernel(void)
{
    u64 sum = 0;
    for (int round = 0; round < 160; round++) {
        for (size_t i = 0; i < sizeof composite; i++)
            composite[i] = 0;
        for (size_t i = 2; i * i < sizeof composite; i++)
            if (!composite[i])
                for (size_t j = i * i; j < sizeof composite; j += i)
                    composite[j] = 1;
        for (size_t i = 2; i < sizeof composite; i++)
            sum += !composite[i] * i;
    }
    return sum;
}
