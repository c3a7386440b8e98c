/* The demo guest: a prompt on the serial port, a 100 Hz tick, the real-time clock and a slow bug.
 *
 * It is small enough to read in one sitting and still uses everything that a recording has to get
 * right: timer interrupts, serial input by interrupt, and the clock of the world outside. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define REG8(address) (*(volatile u8 *)(address))
#define REG32(address) (*(volatile u32 *)(address))
#define REG64(address) (*(volatile u64 *)(address))

#define TEST 0x00100000ul
#define RTC 0x00101000ul
#define MTIMECMP 0x02004000ul
#define MTIME 0x0200bff8ul
#define PLIC 0x0c000000ul
#define UART 0x10000000ul

#define UART_IRQ 10
#define TIMEBASE_HZ 10000000ul
#define TICK_HZ 100ul
#define TICK (TIMEBASE_HZ / TICK_HZ)

#define MIE_MTIE (1ul << 7)
#define MIE_MEIE (1ul << 11)
#define MSTATUS_MIE (1ul << 3)
#define INTERRUPT (1ul << 63)

/* ---- the bug hunt ----------------------------------------------------------------------------
 *
 * `hunt` moves money between accounts and audits the books after each round. Money is neither made
 * nor lost, and yet, after some seconds, an audit fails. Nothing in the transfers is wrong. */

#define ACCOUNTS 8
#define OPENING_BALANCE 1000ul
#define SAMPLES 16

static struct {
    u64 samples[SAMPLES]; /* what the tick handler remembers */
    u64 accounts[ACCOUNTS];
} ledger;

static volatile u64 ticks;
static u64 sample_at;

/* Keeps every 25th tick's time in a ring of SAMPLES. */
static void sample(u64 now)
{
    if (ticks % 25 != 0)
        return;
    ledger.samples[sample_at] = now;
    sample_at = sample_at + 1;
    if (sample_at > SAMPLES) /* the bug: `>=` was meant */
        sample_at = 0;
}

/* ---- serial port ---------------------------------------------------------------------------- */

#define QUEUE 256
static volatile u8 queue[QUEUE];
static volatile u32 queue_in, queue_out;

static void put(char c)
{
    while (!(REG8(UART + 5) & 0x20))
        ;
    REG8(UART) = c;
}

static void print(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put('\r');
        put(*text);
    }
}

static void print_number(u64 value, u32 base, u32 digits)
{
    char text[24];
    u32 at = sizeof text;
    text[--at] = 0;
    do {
        text[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value || at > sizeof text - 1 - digits);
    print(text + at);
}

static void receive(void)
{
    while (REG8(UART + 5) & 1) {
        u8 c = REG8(UART);
        if (queue_in - queue_out < QUEUE)
            queue[queue_in++ % QUEUE] = c;
    }
}

/* ---- traps ---------------------------------------------------------------------------------- */

static void power(u32 value)
{
    REG32(TEST) = value;
    for (;;)
        ;
}

/* Handles one trap; the answer is where to go on. */
u64 trap(u64 cause, u64 pc, u64 value)
{
    if (cause == (INTERRUPT | 7)) {
        REG64(MTIMECMP) += TICK;
        ticks++;
        sample(REG64(MTIME));
    } else if (cause == (INTERRUPT | 11)) {
        u32 source = REG32(PLIC + 0x200004);
        if (source == UART_IRQ)
            receive();
        if (source)
            REG32(PLIC + 0x200004) = source;
    } else {
        print("\ntrap: cause ");
        print_number(cause, 10, 1);
        print(" at 0x");
        print_number(pc, 16, 8);
        print(", value 0x");
        print_number(value, 16, 8);
        print("\n");
        if (cause != 5 && cause != 7)
            power(0x3333 | 1 << 16);
        /* A bad load or store: step over it. */
        return pc + ((*(volatile u8 *)pc & 3) == 3 ? 4 : 2);
    }
    return pc;
}

static void wait(void)
{
    __asm__ volatile("wfi");
}

/* ---- commands ------------------------------------------------------------------------------- */

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* Reads one number (decimal, or hexadecimal behind 0x) and moves past it. */
static u64 number(const char **text)
{
    const char *at = *text;
    u64 value = 0, base = 10;
    while (*at == ' ')
        at++;
    if (at[0] == '0' && at[1] == 'x')
        at += 2, base = 16;
    for (;; at++) {
        u64 digit = *at >= '0' && *at <= '9' ? (u64)(*at - '0')
                    : *at >= 'a' && *at <= 'f' ? (u64)(*at - 'a' + 10) : 99;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    *text = at;
    return value;
}

static void show_uptime(void)
{
    u64 now = REG64(MTIME);
    print("up ");
    print_number(now / TIMEBASE_HZ, 10, 1);
    print(".");
    print_number(now % TIMEBASE_HZ / (TIMEBASE_HZ / 1000), 10, 3);
    print(" s, ");
    print_number(ticks, 10, 1);
    print(" ticks\n");
}

static void show_date(void)
{
    u64 low = REG32(RTC), high = REG32(RTC + 4);
    u64 seconds = (high << 32 | low) / 1000000000ul;
    /* Days to a civil date, with years that begin in March. */
    u64 days = seconds / 86400 + 719468, era = days / 146097, day = days % 146097;
    u64 year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    u64 in_year = day - (365 * year + year / 4 - year / 100);
    u64 shifted = (5 * in_year + 2) / 153, month = shifted < 10 ? shifted + 3 : shifted - 9;
    print_number(year + era * 400 + (month <= 2), 10, 4);
    print("-");
    print_number(month, 10, 2);
    print("-");
    print_number(in_year - (153 * shifted + 2) / 5 + 1, 10, 2);
    print(" ");
    print_number(seconds / 3600 % 24, 10, 2);
    print(":");
    print_number(seconds / 60 % 60, 10, 2);
    print(":");
    print_number(seconds % 60, 10, 2);
    print(" UTC\n");
}

static u64 total(void)
{
    u64 sum = 0;
    for (u32 i = 0; i < ACCOUNTS; i++)
        sum += ledger.accounts[i];
    return sum;
}

static void transfer(u64 *random)
{
    *random = *random * 6364136223846793005ul + 1442695040888963407ul;
    u64 from = *random >> 33 & (ACCOUNTS - 1), to = *random >> 40 & (ACCOUNTS - 1);
    u64 amount = (*random >> 50) % 10;
    if (ledger.accounts[from] >= amount) {
        ledger.accounts[from] -= amount;
        ledger.accounts[to] += amount;
    }
}

static void hunt(void)
{
    u64 random = 1, rounds = 0;
    for (u32 i = 0; i < ACCOUNTS; i++)
        ledger.accounts[i] = OPENING_BALANCE;
    print("auditing; a key stops it\n");
    while (total() == ACCOUNTS * OPENING_BALANCE) {
        u64 until = ticks + 10;
        while (ticks < until) {
            for (u32 i = 0; i < 100; i++)
                transfer(&random);
            wait();
        }
        rounds++;
        if (queue_in != queue_out) {
            queue_out++;
            print("stopped; the books are right\n");
            return;
        }
    }
    print("audit ");
    print_number(rounds, 10, 1);
    print(" failed: ");
    print_number(total(), 10, 1);
    print(" in the books, not ");
    print_number(ACCOUNTS * OPENING_BALANCE, 10, 1);
    print("; who wrote to 0x");
    print_number((u64)&ledger.accounts[0], 16, 8);
    print("?\n");
}

static void run(char *line)
{
    const char *rest = line;
    while (*rest && *rest != ' ')
        rest++;
    if (*rest)
        line[rest++ - line] = 0;

    if (same(line, "help")) {
        print("help            this list\n"
              "uptime          time since power-on\n"
              "date            the real-time clock\n"
              "peek ADDR       read eight bytes\n"
              "poke ADDR VALUE write eight bytes: a wild store, if you like\n"
              "hunt            move money until an audit fails\n"
              "reboot          start again\n"
              "poweroff [CODE] end the machine\n");
    } else if (same(line, "uptime")) {
        show_uptime();
    } else if (same(line, "date")) {
        show_date();
    } else if (same(line, "peek")) {
        u64 address = number(&rest);
        print("0x");
        print_number(REG64(address), 16, 16);
        print("\n");
    } else if (same(line, "poke")) {
        u64 address = number(&rest);
        REG64(address) = number(&rest);
    } else if (same(line, "hunt")) {
        hunt();
    } else if (same(line, "reboot")) {
        power(0x7777);
    } else if (same(line, "poweroff")) {
        u32 code = number(&rest);
        power(code ? 0x3333 | code << 16 : 0x5555);
    } else if (*line) {
        print(line);
        print(": unknown; `help` lists the commands\n");
    }
}

static u8 next_key(void)
{
    while (queue_in == queue_out)
        wait();
    return queue[queue_out++ % QUEUE];
}

int main(void)
{
    static char line[80];
    u32 length = 0;

    REG8(UART + 3) = 3;    /* 8 bits, no parity */
    REG8(UART + 2) = 1;    /* FIFOs on */
    REG8(UART + 1) = 1;    /* interrupt on received data */
    REG32(PLIC + UART_IRQ * 4) = 1;
    REG32(PLIC + 0x2000) = 1u << UART_IRQ;
    REG32(PLIC + 0x200000) = 0;
    REG64(MTIMECMP) = REG64(MTIME) + TICK;
    __asm__ volatile("csrw mie, %0" ::"r"(MIE_MTIE | MIE_MEIE));
    __asm__ volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE));

    print("demo guest; `help` lists the commands\n> ");
    for (;;) {
        u8 key = next_key();
        if (key == '\r' || key == '\n') {
            print("\n");
            line[length] = 0;
            length = 0;
            run(line);
            print("> ");
        } else if (key == 8 || key == 127) {
            if (length) {
                length--;
                print("\b \b");
            }
        } else if (key >= ' ' && key < 127 && length < sizeof line - 1) {
            line[length++] = key;
            put(key);
        }
    }
}
