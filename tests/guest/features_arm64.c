// arm64-only
/* What AT_HWCAP and AT_HWCAP2 promise can be executed, and nothing else can; memory copies across pages and faults;
 * checks of signed pointers. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, HWCAP2 = 64, RET = 0xd65f03c0 };

static int failed;
static sigjmp_buf back;
static uint32_t *code;
static _Alignas(16) uint8_t memory[256];

static void expect(int condition, const char *what)
{
    if (!condition) {
        printf("wrong: %s\n", what);
        failed = 1;
    }
}

static void on_undefined(int signal) { siglongjmp(back, 1); }

/* A function of these words; x0 to x2 are its arguments. */
typedef long function(long, long, long);
static function *make_code(const uint32_t *words, int count)
{
    memcpy(code, words, count * sizeof *words);
    code[count] = RET;
    __builtin___clear_cache((char *)code, (char *)(code + count + 1));
    return (function *)code;
}

static const struct {
    const char *name;
    int bit;
    uint32_t words[3];
} features[] = {
    {"aes", 3, {0x4e284820}},      {"pmull", 4, {0x0ee2e020}},    {"sha1", 5, {0x5e280820}},
    {"sha2", 6, {0x5e282820}},     {"crc32", 7, {0x1ac24020}},    {"atomics", 8, {0xb8228020}},
    {"fphp", 9, {0x1ee22820}},     {"asimdhp", 10, {0x0e421420}}, {"asimdrdm", 12, {0x2e828420}},
    {"jscvt", 13, {0x1e7e0020}},   {"fcma", 14, {0x2e82e420}},    {"lrcpc", 15, {0xb8bfc020}},
    {"dcpop", 16, {0xd50b7c21}},   {"sha3", 17, {0xce020c20}},    {"sm3", 18, {0xce63c020}},
    {"sm4", 19, {0xcec08420}},     {"asimddp", 20, {0x0e829420}}, {"sha512", 21, {0xcec08020}},
    {"asimdfhm", 23, {0x0e22ec20}}, {"dit", 24, {0xd53b42a0}},    {"ilrcpc", 26, {0x99404020}},
    {"flagm", 27, {0xd500401f}},   {"ssbs", 28, {0xd53b42c0}},    {"sb", 29, {0xd50330ff}},
    {"paca", 30, {0xdac10020}},    {"pacg", 31, {0x9ac23020}},    {"dcpodp", HWCAP2 + 0, {0xd50b7d21}},
    {"flagm2", HWCAP2 + 7, {0xd500405f}}, {"frint", HWCAP2 + 8, {0x1e284020}}, {"i8mm", HWCAP2 + 13, {0x0e829c20}},
    {"bf16", HWCAP2 + 14, {0x1e634020}}, {"rng", HWCAP2 + 16, {0xd53b2400}}, {"ecv", HWCAP2 + 19, {0xd53be0c0}},
    {"wfxt", HWCAP2 + 31, {0xd503101f}}, {"cssc", HWCAP2 + 34, {0x5ac02020}}, {"hbc", HWCAP2 + 44, {0x54000030}},
    {"mops", HWCAP2 + 43, {0x19020401, 0x19420401, 0x19820401}}, {"lrcpc3", HWCAP2 + 46, {0x99411820}},
    {"lse128", HWCAP2 + 47, {0x19228020}},
};

/* Whether the words can be executed. A function of its own: what it leaves by siglongjmp() has no other variables. */
__attribute__((noinline)) static int works(const uint32_t *words)
{
    function *run = make_code(words, words[1] ? 3 : 1);
    if (sigsetjmp(back, 1))
        return 0;
    run(0, (long)memory, (long)memory);
    return 1;
}

static void check_features(void)
{
    struct sigaction action = {.sa_handler = on_undefined}, old;
    sigaction(SIGILL, &action, &old);
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        int bit = features[i].bit;
        unsigned long caps = getauxval(bit < HWCAP2 ? AT_HWCAP : AT_HWCAP2);
        expect(works(features[i].words) == (int)(caps >> (bit & 63) & 1), features[i].name);
    }
    sigaction(SIGILL, &old, NULL);
}

/* --- memory copies: x0 to, x1 from, x2 size ----------------------------------------------------------------- */

static const uint32_t copy_words[] = {0x1d010440, 0x1d410440, 0x1d810440};
static char *closed; /* a page without access */
static long left;    /* what the size register said at the fault */
static int faults;
static int moves; /* the program goes on as if on another CPU */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    if (faults++ || info->si_addr != closed)
        _exit(3);
    left = uc->uc_mcontext.regs[2];
    if (moves) { /* as if from a CPU with option B, upwards: the addresses of what is left, and the bytes; C */
        unsigned long long *regs = uc->uc_mcontext.regs;
        regs[0] += left;
        regs[1] += left;
        regs[2] = -left;
        uc->uc_mcontext.pstate = 1u << 29;
    }
    mprotect(closed, PAGE, PROT_READ | PROT_WRITE);
}

/* Behind so many instructions that a translated block ends before or within the copy. Flags: those of a comparison that
 * MRS reads, of one that nobody reads, and the prologue's. */
static void check_copies_behind(char *area)
{
    static const uint32_t flags[] = {0xeb00001f, 0x14000001, 0xd53b4204, 0xeb00001f, 0x14000001};
    uint32_t words[5 + 200 + 3];
    memcpy(words, flags, sizeof flags);
    for (int fillers = 0; fillers < 200; fillers++) {
        for (int i = 0; i < fillers; i++)
            words[5 + i] = 0x910004a5; /* add x5, x5, #1 */
        memcpy(words + 5 + fillers, copy_words, sizeof copy_words);
        function *copy = make_code(words, 5 + fillers + 3);
        for (int round = 0; round < 8; round++) {
            memset(area, fillers + round, 2 * PAGE);
            copy((long)(area + 3 * PAGE), (long)area, 2 * PAGE);
            if (memcmp(area, area + 3 * PAGE, 2 * PAGE)) {
                expect(0, "memory copy behind other instructions");
                return;
            }
        }
    }
}

static void check_copies(void)
{
    char *area = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check_copies_behind(area);
    function *copy = make_code(copy_words, 3);
    static char wanted[8 * PAGE];
    for (int round = 0; round < 240; round++) {
        size_t from = 100 + 777 * (round % 4), n = round % 12;
        size_t to = n < 6 ? from + 5 + 999 * n : 3, size = 2 * PAGE + 77 * n;
        for (int i = 0; i < 8 * PAGE; i++)
            area[i] = wanted[i] = i * 7 + (i >> 8);
        memmove(wanted + to, wanted + from, size);
        copy((long)(area + to), (long)(area + from), size);
        expect(!memcmp(area, wanted, 8 * PAGE), "memory copy across pages");
    }
    /* Upwards, onto itself, into a page that is opened in the middle. */
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    sigaction(SIGSEGV, &action, &old);
    for (moves = 0; moves < 2; moves++) {
        for (int i = 0; i < 8 * PAGE; i++)
            area[i] = wanted[i] = i * 7 + (i >> 8);
        memmove(wanted + 10, wanted + 30, 3 * PAGE);
        closed = area + 2 * PAGE;
        mprotect(closed, PAGE, PROT_NONE);
        faults = 0;
        copy((long)(area + 10), (long)(area + 30), 3 * PAGE);
        expect(faults == 1, "one fault");
        expect(left == -(10 + 3 * PAGE - 2 * PAGE) - 20 || left == -(10 + 3 * PAGE - 2 * PAGE), "what is left at the fault");
        expect(!memcmp(area, wanted, 8 * PAGE), moves ? "memory copy of another CPU" : "memory copy after a fault");
    }
    sigaction(SIGSEGV, &old, NULL);
    munmap(area, 8 * PAGE);
}

/* --- signed pointers: x0 pointer, x1 and x2 modifiers ------------------------------------------------------- */

static void check_pointers(void)
{
    static const uint32_t words[] = {0xdac10020, 0xdac11040}; /* pacia x0, x1; autia x0, x2 */
    struct sigaction action = {.sa_handler = on_undefined}, old;
    volatile int refused = 0;
    sigaction(SIGILL, &action, &old);
    function *check = make_code(words, 2);
    for (volatile long i = 0; i < 500; i++) {
        if (sigsetjmp(back, 1))
            refused++;
        else
            refused += check((long)memory, i, i + 1) != (long)memory;
        expect(check((long)memory, i, i) == (long)memory, "signed and checked");
    }
    expect(refused > 450, "wrong modifiers are found out");
    sigaction(SIGILL, &old, NULL);
}

/* --- new keys: the second half of the results differs from the first ---------------------------------------- */

static int changed_codes(const uint32_t *word, unsigned long keys)
{
    long before[100];
    int changed = 0;
    function *sign = make_code(word, 1);
    for (long i = 0; i < 100; i++)
        before[i] = sign((long)memory, i, 0);
    expect(prctl(PR_PAC_RESET_KEYS, keys, 0, 0, 0) == 0, "reset of keys");
    for (long i = 0; i < 100; i++)
        changed += sign((long)memory, i, 0) != before[i];
    return changed;
}

static void check_keys(void)
{
    static const uint32_t sign_ia = 0xdac10020, sign_db = 0xdac10c20; /* pacia x0, x1; pacdb x0, x1 */
    expect(changed_codes(&sign_ia, PR_PAC_APIAKEY) > 80, "a new key signs otherwise");
    expect(changed_codes(&sign_db, PR_PAC_APIAKEY) == 0, "another key stays");
    expect(changed_codes(&sign_db, 0) > 80, "all keys are new");
    expect(prctl(PR_PAC_RESET_KEYS, 32, 0, 0, 0) < 0 && errno == EINVAL, "no such key");
    expect(prctl(PR_PAC_RESET_KEYS, 0, 1, 0, 0) < 0 && errno == EINVAL, "an argument too many");
}

int main(void)
{
    code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check_features();
    if (getauxval(AT_HWCAP2) >> 43 & 1)
        check_copies();
    if (getauxval(AT_HWCAP) >> 30 & 1)
        check_pointers();
    if (getauxval(AT_HWCAP) >> 30 & 1)
        check_keys();
    else
        expect(prctl(PR_PAC_RESET_KEYS, 0, 0, 0, 0) < 0 && errno == EINVAL, "no keys");
    if (!failed)
        puts("ok");
    return failed;
}
