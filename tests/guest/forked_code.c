// arm64-only
// Children that all run the same code, which their parent has not, or has otherwise: mapped by each child for itself,
// in a page that the parent cannot read, or with other instructions there.
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { CHILDREN = 6, MOVZ_W0 = 0x52800000, RET = 0xd65f03c0, PAGE = 4096, WORK_1000 = (int)0xa20f1bd0 };
enum { RWX = PROT_READ | PROT_WRITE | PROT_EXEC, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static int run_constant(uint32_t *at, unsigned value)
{
    int (*f)(void);
    at[0] = MOVZ_W0 | value << 5;
    at[1] = RET;
    __builtin___clear_cache((char *)at, (char *)(at + 2));
    memcpy(&f, &at, sizeof f);
    int sum = 0;
    for (int i = 0; i < 20; i++)
        sum += f();
    return sum / 20;
}

/* Code that nobody has run before the children do. */
static __attribute__((noinline)) unsigned work(unsigned n)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum = i % 3 == 0 ? sum * 5 + i : i % 7 == 0 ? sum ^ i : sum - i;
    return sum;
}

struct places {
    uint32_t *gone, *hidden, *other;
};

static void child(void *argument)
{
    struct places *p = argument;
    CHECK(mmap(p->gone, PAGE, RWX, ANON | MAP_FIXED, -1, 0) == p->gone, 1);
    CHECK(mprotect(p->hidden, PAGE, RWX), 0);
    CHECK(run_constant(p->gone, 11), 11);
    CHECK(run_constant(p->hidden, 12), 12);
    CHECK(run_constant(p->other, 13), 13);
    CHECK((int)work(1000), WORK_1000);
}

int main(void)
{
    char *pages = mmap(NULL, 3 * PAGE, PROT_NONE, ANON, -1, 0);
    struct places p = {(uint32_t *)pages, (uint32_t *)(pages + PAGE), (uint32_t *)(pages + 2 * PAGE)};
    CHECK(munmap(p.gone, PAGE), 0);
    CHECK(mprotect(p.other, PAGE, RWX), 0);
    p.other[0] = p.other[1] = RET;
    for (int i = 0; i < CHILDREN; i++)
        CHECK(in_child(child, &p), 0);
    CHECK(mmap(p.gone, PAGE, RWX, ANON | MAP_FIXED, -1, 0) == p.gone, 1);
    CHECK(mprotect(p.hidden, PAGE, RWX), 0);
    CHECK(run_constant(p.gone, 21), 21);
    CHECK(run_constant(p.hidden, 22), 22);
    CHECK(run_constant(p.other, 23), 23);
    CHECK((int)work(1000), WORK_1000);
    return check_end();
}
