/* Mandelbrot set in doubles. */
#include "../bench.h"
const u64 expected = 0xf543b8e2fc091a11;
u64 kernel(void)
{
    u64 sum = 0;
    for (int y = 0; y < 800; y++)
        for (int x = 0; x < 800; x++) {
            double cr = -2.0 + x / 320.0, ci = -1.25 + y / 320.0, zr = 0, zi = 0;
            int n = 0;
            while (n < 300) {
                double rr = zr * zr, ii = zi * zi;
                if (rr + ii > 4.0)
                    break;
                zi = 2.0 * zr * zi + ci;
                zr = rr - ii + cr;
                n++;
            }
            sum = sum * 31 + (u64)n;
        }
    return sum;
}
