/* The guest's address space: the set of ranges against a plain model, and the rules that protect xemu's
 * memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xemu/guestmem.h>

enum { PAGE = 4096, PAGES = 64 };
enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static uint64_t window(void) { return (uint64_t)guest_mmap(0, PAGES * PAGE, RW, ANON, -1, 0); }

Test(guestmem, ranges_agree_with_a_model_of_pages)
{
    uint64_t base = window();
    enum { NOT_OURS, OURS, EXECUTABLE } model[PAGES];
    for (int i = 0; i < PAGES; i++)
        model[i] = OURS;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        int from = rand() % PAGES, to = from + 1 + rand() % (PAGES - from), what = rand() % 3;
        uint64_t start = base + (uint64_t)from * PAGE, end = base + (uint64_t)to * PAGE;
        if (what == NOT_OURS)
            guest_range_remove(start, end);
        else if (what == OURS)
            guest_range_add(start, end);
        else
            guest_range_set_executable(start, end);
        for (int i = from; i < to; i++)
            model[i] = what;
        from = rand() % PAGES;
        to = from + 1 + rand() % (PAGES - from);
        bool all_ours = true, all_executable = true;
        for (int i = from; i < to; i++) {
            all_ours &= model[i] != NOT_OURS;
            all_executable &= model[i] == EXECUTABLE;
        }
        start = base + (uint64_t)from * PAGE, end = base + (uint64_t)to * PAGE;
        cr_assert_eq(guest_range_contains(start, end), all_ours, "round %d", round);
        cr_assert_eq(guest_range_executable(start, end), all_executable, "round %d", round);
        uint64_t at = start, stop;
        bool any = guest_range_next(&at, &stop) && at < end;
        int first = from;
        while (first < to && model[first] == NOT_OURS)
            first++;
        cr_assert_eq(any, first < to);
        cr_assert(!any || at == base + (uint64_t)first * PAGE);
    }
}

Test(guestmem, fixed_mappings_never_replace_xemus_own)
{
    char *own = mmap(NULL, 3 * PAGE, RW, ANON, -1, 0);
    uint64_t at = (uint64_t)own;
    own[PAGE] = 'x';
    cr_assert_eq(guest_mmap(at + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0), -ENOMEM);
    munmap(own, PAGE);
    munmap(own + 2 * PAGE, PAGE);
    cr_assert_eq(guest_mmap(at, 3 * PAGE, RW, ANON | MAP_FIXED, -1, 0), -ENOMEM);
    cr_assert_eq(own[PAGE], 'x');
    cr_assert_not(guest_range_contains(at, at + 1), "a refused mapping leaves nothing behind");
    cr_assert_eq(guest_mmap(at, PAGE, RW, ANON | MAP_FIXED, -1, 0), (int64_t)at);
    uint64_t from = window();
    cr_assert_eq(guest_mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + PAGE), -ENOMEM);
    cr_assert_eq(own[PAGE], 'x');
}

Test(guestmem, a_refused_fixed_mapping_gives_its_gaps_back)
{
    uint64_t at = window();
    cr_assert_eq(guest_munmap(at + PAGE, PAGE), 0);
    cr_assert_eq(guest_mmap(at, 3 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, 9999, 0), -EBADF);
    cr_assert_not(guest_range_contains(at + PAGE, at + PAGE + 1));
    void *again = mmap((void *)(at + PAGE), PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    cr_assert_eq((uint64_t)again, at + PAGE, "the gap is free");
}

Test(guestmem, other_calls_do_not_reach_xemus_own)
{
    char *own = mmap(NULL, PAGE, RW, ANON, -1, 0);
    uint64_t at = (uint64_t)own;
    *own = 'x';
    cr_assert_eq(guest_munmap(at, PAGE), 0, "as if nothing were there");
    cr_assert_eq(guest_mprotect(at, PAGE, PROT_NONE), -ENOMEM);
    cr_assert_eq(guest_mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
    cr_assert_eq(*own, 'x');
}

Test(guestmem, only_changes_of_code_count)
{
    uint64_t at = window(), before = code_generation;
    guest_mprotect(at, PAGE, PROT_READ);
    guest_munmap(at + PAGE, PAGE);
    guest_code_changed(at, at + PAGE);
    cr_assert_eq(code_generation, before);
    guest_mprotect(at, 2 * PAGE, PROT_READ | PROT_EXEC); /* fails behind the first page */
    cr_assert(guest_range_executable(at, at + PAGE));
    guest_code_changed(at + PAGE, at + 2 * PAGE);
    cr_assert_eq(code_generation, before);
    guest_code_changed(at + 4, at + 8);
    cr_assert_gt(code_generation, before);
    before = code_generation;
    guest_munmap(at, PAGES * PAGE);
    cr_assert_gt(code_generation, before);
}

Test(guestmem, a_line_counts_in_every_mapping_of_its_memory)
{
    int fd = memfd_create("code", 0);
    ftruncate(fd, 4 * PAGE);
    uint64_t write = (uint64_t)guest_mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    uint64_t run = (uint64_t)guest_mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 2 * PAGE);
    uint64_t before = code_generation;
    guest_line_changed(write + PAGE);
    cr_assert_eq(code_generation, before, "that page is mapped to be executed nowhere");
    guest_line_changed(write + 2 * PAGE + 100);
    cr_assert_gt(code_generation, before);
    before = code_generation;
    guest_line_changed(run);
    cr_assert_gt(code_generation, before);

    uint64_t moved = (uint64_t)guest_mremap(run, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, window());
    guest_mprotect(write + 2 * PAGE, PAGE, PROT_READ); /* which keeps what is mapped there */
    before = code_generation;
    guest_line_changed(write + 2 * PAGE);
    cr_assert_gt(code_generation, before, "the mapping at %#lx", moved);
}

Test(guestmem, a_private_line_counts_where_it_is_executed)
{
    uint64_t at = window(), before = code_generation;
    guest_line_changed(at);
    cr_assert_eq(code_generation, before);
    guest_mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    guest_mprotect(at, PAGE, PROT_READ | PROT_EXEC);
    cr_assert_eq(code_generation, before, "it was executable all the time");
    guest_line_changed(at + PAGE - 1);
    cr_assert_gt(code_generation, before);
    before = code_generation;
    guest_mprotect(at, PAGE, PROT_READ);
    cr_assert_gt(code_generation, before);
}

Test(guestmem, the_host_never_executes_guest_code)
{
    uint64_t at = (uint64_t)guest_mmap(0, PAGE, PROT_EXEC, ANON, -1, 0);
    char line[256], perms[5] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) == 3 && from <= at && at < to)
            break;
    }
    fclose(maps);
    cr_assert_str_eq(perms, "r--p");
    cr_assert(guest_range_executable(at, at + PAGE));
}

Test(guestmem, the_break_stops_at_other_mappings)
{
    uint64_t at = window();
    guest_munmap(at, 8 * PAGE);
    guest_brk_init(at + 1);
    cr_assert_eq(guest_brk(0), at + PAGE);
    cr_assert_eq(guest_brk(at + 3 * PAGE + 5), at + 3 * PAGE + 5);
    memset((void *)(at + PAGE), 1, 2 * PAGE);
    cr_assert_eq(guest_brk(at + 9 * PAGE), at + 3 * PAGE + 5, "page 8 is taken");
    cr_assert_eq(guest_brk(at + 8 * PAGE), at + 8 * PAGE);
    cr_assert_eq(guest_brk(at + PAGE), at + PAGE);
    cr_assert_not(guest_range_contains(at + PAGE, at + PAGE + 1));
    cr_assert_eq(guest_brk(at), at + PAGE, "not below the start");
}

Test(guestmem, pages_are_guarded_one_by_one)
{
    enum { RX = PROT_READ | PROT_EXEC, GUARDED = RX | GUEST_PROT_BTI };
    uint64_t base = (uint64_t)guest_mmap(0, 8 * PAGE, RX, ANON, -1, 0);
    cr_assert_not(guest_range_guarded(base));
    cr_assert_eq(guest_mprotect(base + PAGE, 2 * PAGE, GUARDED), 0);
    for (int page = 0; page < 4; page++)
        cr_expect_eq(guest_range_guarded(base + page * PAGE + 8), page == 1 || page == 2);
    uint64_t before = code_generation; /* what was decoded there is stale */
    cr_assert_eq(guest_mprotect(base + PAGE, PAGE, RX), 0);
    cr_expect_neq(code_generation, before);
    cr_expect_not(guest_range_guarded(base + PAGE));
    before = code_generation;
    cr_assert_eq(guest_mprotect(base + PAGE, PAGE, RX), 0);
    cr_expect_eq(code_generation, before);
    uint64_t moved = (uint64_t)guest_mremap(base + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 6 * PAGE);
    cr_expect(guest_range_guarded(moved));
    uint64_t mapped = (uint64_t)guest_mmap(0, PAGE, GUARDED, ANON, -1, 0);
    cr_expect(guest_range_guarded(mapped));
    cr_expect_not(guest_range_guarded(mapped + PAGE));
}
