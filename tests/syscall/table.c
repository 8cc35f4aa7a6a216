/* The table of system calls is complete and well-formed. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/syscall.h>

#include "../../syscall/task.h"

static const char letters[] = "iuxoafdplsbBFAPMCSmtckqhvw";

Test(table, every_number_of_the_kernel_has_a_row)
{
    for (uint64_t number = 0; number <= 469; number++) {
        bool unused = (number >= 244 && number < 260) || (number >= 295 && number < 424);
        cr_assert_eq(syscall_row(number)->name == NULL, unused, "number %lu", number);
    }
    cr_assert_null(syscall_row(470)->name);
    cr_assert_null(syscall_row(UINT32_MAX)->name);
    cr_assert_eq(syscall_row(1ull << 32 | 63), syscall_row(63), "only the low 32 bits count");
}

Test(table, letters_are_known_and_six_at_most)
{
    for (uint64_t number = 0; number <= 469; number++) {
        const struct syscall_row *row = syscall_row(number);
        cr_assert_leq(strlen(row->letters), 6, "number %lu", number);
        cr_assert_eq(strspn(row->letters, letters), strlen(row->letters), "number %lu", number);
    }
}

Test(table, new_calls_have_the_same_number_everywhere)
{
    for (uint64_t number = 424; number <= 469; number++)
        cr_assert(syscall_row(number)->host == -1 || (uint64_t)syscall_row(number)->host == number, "number %lu",
                  number);
}

/* From asm-generic/unistd.h, as far as the C library's headers for ARM64 aren't at hand here. */
Test(table, well_known_numbers)
{
    static const struct {
        uint64_t number;
        const char *name;
    } known[] = {{17, "getcwd"},    {29, "ioctl"},     {56, "openat"},     {63, "read"},         {64, "write"},
                 {93, "exit"},      {98, "futex"},     {113, "clock_gettime"}, {134, "rt_sigaction"}, {139, "rt_sigreturn"},
                 {172, "getpid"},   {198, "socket"},   {220, "clone"},     {222, "mmap"},        {260, "wait4"},
                 {278, "getrandom"}, {291, "statx"},   {435, "clone3"},    {439, "faccessat2"},  {452, "fchmodat2"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        cr_assert_str_eq(syscall_row(known[i].number)->name, known[i].name);
}
