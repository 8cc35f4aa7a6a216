/* launch_read(): what argv and the auxiliary vector mean. tests/binfmt asks real kernels; here is what they don't say
 * yet. */
#include <xemu/launch.h>

#include <criterion/criterion.h>

#define READ(facts, ...) read_words((char *[]){__VA_ARGS__, NULL}, (struct launch_facts)facts)
#define FACTS(...) {__VA_ARGS__}

static struct launch read_words(char **argv, struct launch_facts facts)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return launch_read(argc, argv, facts);
}

Test(launch, by_hand_options_may_follow)
{
    struct launch launch = READ(FACTS(0, -1, "/proc/self/exe"), "xemu", "--strace", "program");
    cr_expect_not(launch.by_kernel);
    cr_expect_eq(launch.argv_at, 1);
}

Test(launch, without_program_it_is_by_hand)
{
    cr_expect_not(READ(FACTS(0, -1, "/proc/self/exe"), "xemu").by_kernel);
    cr_expect_not(READ(FACTS(1, -1, "/proc/self/exe"), "xemu").by_kernel);
}

Test(launch, name_of_execve_tells_who_called)
{
    struct launch launch = READ(FACTS(0, -1, "install"), "/usr/bin/xemu", "install", "x");
    cr_expect(launch.by_kernel);
    cr_expect_eq(launch.argv_at, 1);
    cr_expect_str_eq(launch.path, "install");
}

Test(launch, preserved_argv0_comes_behind_the_program)
{
    struct launch launch = READ(FACTS(LAUNCH_PRESERVE_ARGV0, 3, "/bin/script"), "xemu", "/bin/sh", "-sh", "x");
    cr_expect(launch.by_kernel);
    cr_expect_eq(launch.argv_at, 2);
    cr_expect_eq(launch.fd, 3);
    cr_expect_str_eq(launch.path, "/bin/sh");
    cr_expect_str_eq(launch.execfn, "/bin/script");
}

Test(launch, descriptor_0_is_one)
{
    cr_expect(READ(FACTS(0, 0, NULL), "xemu", "./program").by_kernel);
}

Test(launch, transparent_argv_is_the_programs_own)
{
    struct launch launch = READ(FACTS(LAUNCH_TRANSPARENT, 4, "/bin/sh"), "-sh", "--help");
    cr_expect(launch.by_kernel);
    cr_expect(launch.transparent);
    cr_expect_eq(launch.argv_at, 0);
    cr_expect_str_eq(launch.path, "/bin/sh");
    cr_expect_eq(launch.fd, 4);
}

Test(launch, transparent_without_descriptor_falls_back)
{
    struct launch launch = READ(FACTS(LAUNCH_TRANSPARENT, -1, "./program"), "xemu", "./program");
    cr_expect_not(launch.transparent);
    cr_expect_eq(launch.argv_at, 1);
}
