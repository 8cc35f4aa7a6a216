/* Which paths lead to the files of /proc that xemu makes. */
#include "../../syscall/proc.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *path;
    enum proc_file file;
} paths[] = {
    {"/proc/self/exe", PROC_EXE},
    {"/proc/thread-self/exe", PROC_EXE},
    {"/proc/self/maps", PROC_MAPS},
    {"/proc/self/smaps", PROC_SMAPS},
    {"/proc/self/cmdline", PROC_CMDLINE},
    {"/proc/self/auxv", PROC_AUXV},
    {"/proc/self/environ", PROC_ENVIRON},
    {"/proc/self/stat", PROC_STAT},
    {"/proc/self/status", PROC_STATUS},
    {"/proc/cpuinfo", PROC_CPUINFO},
    {"//proc//./self/x/../exe", PROC_EXE},
    {"/usr/../proc/self/exe", PROC_EXE},
    {"/../proc/self/exe", PROC_EXE},
    {"/proc/self/exe/", PROC_NONE},
    {"/proc/1x/exe", PROC_NONE},
    {"/proc/-1/exe", PROC_NONE},
    {"/proc/0/exe", PROC_NONE},
    {"/proc/self", PROC_NONE},
    {"/proc/self/comm", PROC_NONE},
    {"/proc/self/exe2", PROC_NONE},
    {"/proc/self/fd/exe", PROC_NONE},
    {"/proc/stat", PROC_NONE},
    {"/proc/self/task/1/exe", PROC_NONE},
    {"/procs/self/exe", PROC_NONE},
    {"/tmp/proc/self/exe", PROC_NONE},
    {"/tmp/proc/cpuinfo", PROC_NONE},
    {"exe", PROC_NONE},
    {"", PROC_NONE},
    {"/", PROC_NONE},
};

Test(proc, paths_are_matched_textually)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        cr_expect_eq(proc_match(AT_FDCWD, paths[i].path), paths[i].file, "%s", paths[i].path);
}

Test(proc, own_numbers_are_self)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", getpid());
    cr_assert_eq(proc_match(AT_FDCWD, path), PROC_EXE);
    snprintf(path, sizeof path, "/proc/self/task/%d/maps", getpid());
    cr_assert_eq(proc_match(AT_FDCWD, path), PROC_MAPS);
    snprintf(path, sizeof path, "/proc/%d/exe", getppid());
    cr_assert_eq(proc_match(AT_FDCWD, path), PROC_OTHER_EXE);
}

Test(proc, relative_paths_start_from_their_directory)
{
    int self = open("/proc/self", O_PATH | O_DIRECTORY), proc = open("/proc", O_PATH | O_DIRECTORY);
    int root = open("/", O_PATH | O_DIRECTORY);
    cr_assert_eq(proc_match(self, "exe"), PROC_EXE);
    cr_assert_eq(proc_match(proc, "self/exe"), PROC_EXE);
    cr_assert_eq(proc_match(proc, "cpuinfo"), PROC_CPUINFO);
    cr_assert_eq(proc_match(root, "exe"), PROC_NONE);
    cr_assert_eq(proc_match(-1, "exe"), PROC_NONE);
    cr_assert_eq(chdir("/proc/self"), 0);
    cr_assert_eq(proc_match(AT_FDCWD, "./exe"), PROC_EXE);
}
