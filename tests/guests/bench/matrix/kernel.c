/* Product of matrices of doubles. */
#include "../bench.h"
const u64 expected = 0x4f16592622208e00;
enum { N = 160 };
static double a[N][N], b[N][N], c[N][N];
u64 kernel(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = 1.0 + (i * 7 + j * 3) % 11 / 16.0;
            b[i][j] = 1.5 - (i * 5 + j) % 13 / 32.0;
        }
    u64 sum = 0;
    for (int round = 0; round < 48; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double s = 0.1;
                for (int k = 0; k < N; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        a[round][round] += c[round][0] / 4096.0;
        u64 bits;
        __builtin_memcpy(&bits, &c[round][N - 1], 8);
        sum = sum * 31 + bits;
    }
    return sum;
}
