/* Tells a command line from a call by the kernel. */
#include <xemu/launch.h>

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

struct launch_facts launch_facts(void)
{
    struct launch_facts facts = {.at_flags = getauxval(AT_FLAGS),
                                 .execfn = (const char *)getauxval(AT_EXECFN)};
    errno = 0;
    unsigned long fd = getauxval(AT_EXECFD); /* 0 is a descriptor, too */
    facts.execfd = errno ? -1 : (int)fd;
    return facts;
}

/* Without flags the kernel says nothing but argv: [xemu, program, arguments]. But AT_EXECFN is the name that
 * execve got: by hand it is xemu's. */
static bool named_by_kernel(char **argv, const char *execfn)
{
    struct stat named, own;
    if (!execfn)
        return false;
    if (strcmp(argv[1], execfn) == 0)
        return true;
    return stat(execfn, &named) == 0 && stat("/proc/self/exe", &own) == 0 &&
           (named.st_ino != own.st_ino || named.st_dev != own.st_dev);
}

struct launch launch_read(int argc, char **argv, struct launch_facts facts)
{
    bool keeps_argv0 = facts.at_flags & LAUNCH_PRESERVE_ARGV0;
    struct launch launch = {.fd = facts.execfd, .execfn = facts.execfn, .argv_at = 1};
    launch.transparent = facts.at_flags & LAUNCH_TRANSPARENT && facts.execfd >= 0;
    if (launch.transparent) {
        launch.by_kernel = true;
        launch.argv_at = 0;
        launch.path = facts.execfn ? facts.execfn : argv[0];
        return launch;
    }
    if (argc < 2 || !(facts.execfd >= 0 || keeps_argv0 || named_by_kernel(argv, facts.execfn)))
        return launch;
    launch.by_kernel = true;
    launch.path = argv[1];
    launch.argv_at = keeps_argv0 && argc > 2 ? 2 : 1;
    if (!launch.execfn)
        launch.execfn = launch.path;
    return launch;
}
