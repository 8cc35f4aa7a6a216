/* Names of core files. */
#include "../../syscall/coredump.h"

#include <criterion/criterion.h>

static const struct core_facts facts = {
    .pid = 12,
    .tid = 13,
    .uid = 1000,
    .gid = 100,
    .signo = 11,
    .time = 1700000000,
    .limit = UINT64_MAX,
    .cpu = 3,
    .host = "box",
    .comm = "pro/gram",
    .path = "/usr/bin/program",
};

/* Rules of core(5), and what format_corename() in the kernel's fs/coredump.c makes of the rare ones. */
static const struct {
    const char *pattern, *name;
} names[] = {
    {"core", "core"},
    {"core.%p", "core.12"},
    {"%P-%i-%I", "12-13-13"},
    {"/cores/%u.%g/%s.%t", "/cores/1000.100/11.1700000000"},
    {"%h_%e_%f", "box_pro!gram_program"},
    {"%E", "!usr!bin!program"},
    {"%c %C %d", "-1 3 1"},
    {"100%%", "100%"},
    {"a%zb", "ab"},
    {"a%", "a"},
    {"", ""},
};

Test(coredump, names_follow_the_pattern)
{
    char name[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert(core_name(name, sizeof name, names[i].pattern, &facts));
        cr_assert_str_eq(name, names[i].name);
    }
}

Test(coredump, pid_is_appended_once)
{
    struct core_facts with_pid = facts;
    char name[64];
    with_pid.pid_appended = true;
    core_name(name, sizeof name, "core", &with_pid);
    cr_assert_str_eq(name, "core.12");
    core_name(name, sizeof name, "%p.core", &with_pid);
    cr_assert_str_eq(name, "12.core");
}

Test(coredump, names_of_programs_lead_nowhere_else)
{
    struct core_facts dots = facts;
    char name[64];
    dots.comm = "..";
    core_name(name, sizeof name, "%e/core", &dots);
    cr_assert_str_eq(name, "!./core");
    dots.comm = "";
    core_name(name, sizeof name, "%e", &dots);
    cr_assert_str_eq(name, "!");
}

Test(coredump, name_that_does_not_fit_is_refused)
{
    char name[6];
    cr_assert(!core_name(name, sizeof name, "core.%p", &facts));
    cr_assert(core_name(name, sizeof name, "co.%p", &facts));
    cr_assert_str_eq(name, "co.12");
}
