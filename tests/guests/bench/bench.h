/* One kernel: does the work of its class and returns a sum that depends on all of it. */
#include <stdint.h>
#include <stddef.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

u64 kernel(void);
/* What kernel() returns. */
extern const u64 expected;

static inline u64 next_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
