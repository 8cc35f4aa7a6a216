/* options_parse() and options_reexec_argv(). Each test runs in a process of its own. */
#include <xemu/log.h>
#include <xemu/options.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parse(char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return options_parse(argc, argv);
}

#define PARSE(...) parse((char *[]){"xemu", __VA_ARGS__, NULL})

/* The guest's variable, or null. */
static const char *guest_variable(const char *name)
{
    size_t length = strlen(name);
    for (char **e = options.guest_env; *e; e++)
        if (strncmp(*e, name, length) == 0 && (*e)[length] == '=')
            return *e + length + 1;
    return NULL;
}

Test(options, program_is_the_first_word_that_is_no_option)
{
    cr_expect_eq(PARSE("program", "-x"), 1);
    cr_expect_eq(PARSE("-L", "/root", "program"), 3);
    cr_expect_eq(PARSE("-L/root", "program"), 2);
    cr_expect_eq(PARSE("--sysroot=/root", "program"), 2);
    cr_expect_eq(PARSE("--sysroot", "/root", "--", "-program"), 4);
    cr_expect_eq(PARSE("-"), 1);
}

Test(options, sizes_have_units)
{
    PARSE("-s", "4096", "program");
    cr_expect_eq(options.stack_size, 4096);
    PARSE("-s", "16K", "program");
    cr_expect_eq(options.stack_size, 16 << 10);
    PARSE("-s", "3m", "program");
    cr_expect_eq(options.stack_size, 3 << 20);
    PARSE("-s", "0x10000", "program");
    cr_expect_eq(options.stack_size, 0x10000);
    PARSE("-s", "2G", "program");
    cr_expect_eq(options.stack_size, 2ull << 30);
}

Test(options, variables_are_read_and_the_command_line_wins)
{
    setenv("XEMU_LD_PREFIX", "/from/env", 1);
    setenv("XEMU_UNAME", "1.2.3", 1);
    PARSE("-L", "/from/line", "program");
    cr_expect_str_eq(options.sysroot, "/from/line");
    cr_expect_str_eq(options.uname_release, "1.2.3");
}

Test(options, guest_environment_is_edited)
{
    setenv("KEPT", "1", 1);
    setenv("GONE", "1", 1);
    setenv("CHANGED", "1", 1);
    PARSE("-E", "CHANGED=2,NEW=a=b", "-U", "GONE,NOT_THERE", "program");
    cr_expect_str_eq(guest_variable("KEPT"), "1");
    cr_expect_str_eq(guest_variable("CHANGED"), "2");
    cr_expect_str_eq(guest_variable("NEW"), "a=b");
    cr_expect_null(guest_variable("GONE"));
    cr_expect_str_eq(getenv("GONE"), "1", "xemu's own environment stays");
}

Test(options, relative_paths_become_absolute)
{
    cr_assert_eq(chdir("/usr"), 0);
    PARSE("-L", "root", "-D", "log", "--strace=trace", "program");
    cr_expect_str_eq(options.sysroot, "/usr/root");
    cr_expect_str_eq(options.log_file, "/usr/log");
    cr_expect_str_eq(options.strace_file, "/usr/trace");
}

Test(options, log_items_set_the_mask)
{
    PARSE("-d", "in_asm,cpu", "program");
    cr_expect_eq(log_mask, LOG_IN_ASM | LOG_CPU);
    cr_expect_not(options.strace);
    PARSE("-d", "strace", "program");
    cr_expect(options.strace);
}

Test(options, strace_without_file_goes_to_the_log)
{
    PARSE("--strace", "program");
    cr_expect(options.strace);
    cr_expect_null(options.strace_file);
    cr_expect(log_on(LOG_STRACE));
}

Test(options, reexec_repeats_the_settings_but_neither_argv0_nor_environment)
{
    cr_assert_eq(chdir("/usr"), 0);
    setenv("XEMU_UNAME", "1.2.3", 1);
    unsetenv("XEMU_CACHE_DIR"); /* which the suites set */
    PARSE("-0", "name", "-E", "A=b", "-L", "root", "--strace", "-s", "64K", "program");
    char **argv = options_reexec_argv(3);
    static const char *const expected[] = {"xemu", "--sysroot=/usr/root", "--stack-size=64K",
                                           "--uname-release=1.2.3", "--strace"};
    size_t n = sizeof expected / sizeof *expected;
    for (size_t i = 0; i < n; i++)
        cr_assert_str_eq(argv[i], expected[i]);
    for (size_t i = n; i < n + 4; i++)
        cr_expect_null(argv[i]);
}

Test(options, wrong_ones_end_with_2, .exit_code = 2) { PARSE("--no-such-option", "program"); }
Test(options, missing_program_ends_with_2, .exit_code = 2) { PARSE("-L", "/root"); }
Test(options, version_ends_with_0, .exit_code = 0) { PARSE("--version"); }
