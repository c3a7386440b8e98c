/* Quicksort of random numbers. */
#include "../bench.h"
const u64 expected = 0xd9a0207324277905;
static u64 v[1 << 17];
static void sort(long low, long high)
{
    while (low < high) {
        u64 pivot = v[low + (high - low) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i <= j) {
                u64 t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        sort(low, j);
        low = i;
    }
}
u64 kernel(void)
{
    u64 state = 88172645463325252u, sum = 0;
    long n = sizeof v / sizeof *v;
    for (int round = 0; round < 40; round++) {
        for (long i = 0; i < n; i++)
            v[i] = next_random(&state);
        sort(0, n - 1);
        for (long i = 0; i < n; i += 97)
            sum = sum * 31 + v[i];
    }
    return sum;
}
