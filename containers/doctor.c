/* xemu doctor: looks at everything that ARM64 programs and containers depend on, and says what to do. */
#include "binfmt.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum verdict { GOOD, NOTE, BAD };

/* What the checks share. */
struct patient {
    const char *place;
    char *binary; /* the xemu-static to register, or null */
    struct answer answer;
    unsigned bad;
};

static void __attribute__((format(printf, 3, 4)))
say(struct patient *patient, enum verdict verdict, const char *format, ...)
{
    static const char *const marks[] = {"ok   ", "note ", "BAD  "};
    va_list args;
    fputs(marks[verdict], stdout);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    patient->bad += verdict == BAD;
}

/* The number in a file of /proc/sys; -1 if there is none. */
static long read_number(const char *path)
{
    long number = -1;
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%ld", &number) != 1)
        number = -1;
    if (file)
        fclose(file);
    return number;
}

/* ---- the machine ---- */

static void check_kernel(struct patient *patient)
{
    struct utsname name;
    uname(&name);
    if (!kernel_at_least(4, 8))
        say(patient, BAD,
            "kernel %s: handlers reach containers (flag F) only since Linux 4.8: use a newer kernel",
            name.release);
    else if (!kernel_at_least(5, 12))
        say(patient, NOTE, "kernel %s: programs do not see their argv[0] (flag P) before Linux 5.12",
            name.release);
    else
        say(patient, GOOD, "kernel %s has every flag that xemu wants", name.release);
}

static void check_binary(struct patient *patient)
{
    const char *why;
    struct statvfs fs;
    patient->binary = find_static_binary(NULL, &why);
    if (!patient->binary)
        say(patient, BAD, "xemu-static: %s", why);
    else if (statvfs(patient->binary, &fs) == 0 && fs.f_flag & ST_NOEXEC)
        say(patient, BAD, "%s is on a file system that is mounted noexec: put it elsewhere", patient->binary);
    else
        say(patient, GOOD, "%s needs no other files", patient->binary);
}

static void check_mmap_min_addr(struct patient *patient)
{
    long least = read_number("/proc/sys/vm/mmap_min_addr");
    if (least > 0x10000)
        say(patient, least > 0x400000 ? BAD : NOTE,
            "vm.mmap_min_addr is %ld: programs linked to addresses below it do not start; 65536 is usual",
            least);
    else
        say(patient, GOOD, "vm.mmap_min_addr leaves room for programs with fixed addresses");
}

static void check_limits(struct patient *patient)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < 512ul << 20)
        say(patient, NOTE,
            "the limit on address space (ulimit -v) is %lu MB: xemu gets little or no room for compiled "
            "code and is slow",
            limit.rlim_cur >> 20);
}

static void check_seccomp(struct patient *patient)
{
    char line[128];
    int mode = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Seccomp: %d", &mode);
    if (file)
        fclose(file);
    else
        say(patient, NOTE, "/proc is not mounted: programs that look there will fail");
    if (mode)
        say(patient, NOTE,
            "a system call filter (seccomp) is in force here, as in containers: if programs fail with "
            "\"Operation not permitted\", try docker run --security-opt seccomp=unconfined");
}

static void check_noexec(struct patient *patient)
{
    static const char *const places[] = {".", "/tmp"};
    struct statvfs fs;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (statvfs(places[i], &fs) == 0 && fs.f_flag & ST_NOEXEC)
            say(patient, NOTE, "%s is mounted noexec: no program there can be run",
                i ? places[i] : "this directory's file system");
}

/* ---- binfmt_misc ---- */

static void check_mounted(struct patient *patient)
{
    if (!binfmt_mounted(patient->place))
        say(patient, patient->answer.error ? BAD : NOTE,
            "binfmt_misc is not mounted at %s, so that nothing can be said about handlers%s", patient->place,
            patient->answer.error ? ": sudo xemu install mounts it" : "");
    else if (!binfmt_enabled(patient->place))
        say(patient, BAD, "binfmt_misc is switched off: echo 1 | sudo tee %s/status", patient->place);
    else
        say(patient, GOOD, "binfmt_misc is mounted and switched on");
}

static void check_flags_of(struct patient *patient, const struct handler *handler)
{
    const char *name = handler->name, *flags = handler->flags;
    if (!handler->enabled)
        say(patient, NOTE, "%s is switched off: echo 1 | sudo tee %s/%s", name, patient->place, name);
    if (!strchr(flags, 'F'))
        say(patient, BAD, "%s has no flag F: containers and chroots do not find %s: sudo xemu install", name,
            handler->interpreter);
    if (!strchr(flags, 'C'))
        say(patient, NOTE, "%s has no flag C: sudo, su and ping have no more rights than their caller", name);
    if (!strchr(flags, 'P'))
        say(patient, NOTE, "%s has no flag P: programs do not see the argv[0] they were given", name);
    if (strchr(flags, 'F') && strchr(flags, 'C') && strchr(flags, 'P'))
        say(patient, GOOD, "%s is registered: %s, flags %s", name, handler->interpreter, flags);
}

static void check_handlers(struct patient *patient)
{
    struct handler handlers[8];
    size_t count = binfmt_handlers(patient->place, handlers, 8);
    for (size_t i = 0; i < count && i < 8; i++)
        check_flags_of(patient, &handlers[i]);
    if (binfmt_mounted(patient->place) && !count && patient->answer.error)
        say(patient, BAD, "no handler for ARM64 programs is registered: sudo xemu install");
    if (count > 1)
        say(patient, NOTE,
            "%zu handlers are registered for ARM64 programs; the kernel takes the one that came last", count);
}

static void check_answer(struct patient *patient)
{
    const struct answer *answer = &patient->answer;
    if (answer->error == ENOEXEC)
        say(patient, BAD,
            "the kernel does not run ARM64 programs (\"exec format error\"): sudo xemu install");
    else if (answer->error)
        say(patient, BAD, "an ARM64 program was started and did not answer: %s", strerror(answer->error));
    else if (!answer->by_xemu)
        say(patient, NOTE, "ARM64 programs run under %s (%s), not under xemu: sudo xemu install",
            answer->path, answer->version[0] ? answer->version : "which tells no version");
    else if (strncmp(answer->version + 5, XEMU_VERSION " ", sizeof XEMU_VERSION) != 0)
        say(patient, BAD, "%s answers, this is %s: the kernel holds the file it was given: sudo xemu install",
            answer->version, XEMU_VERSION);
    else
        say(patient, GOOD, "an ARM64 program ran under %s (%s)", answer->path, answer->version);
}

/* ---- without root ---- */

enum namespaces { NAMESPACES_NONE, NAMESPACES_PLAIN, NAMESPACES_BINFMT };

/* What an ordinary user's namespace can do, tried in a child. */
static enum namespaces try_namespaces(int *error)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
            _exit(errno);
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        _exit(mount("binfmt_misc", "/tmp", "binfmt_misc", 0, NULL) ? 0 : 255);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        return NAMESPACES_NONE;
    *error = WEXITSTATUS(status);
    return *error == 255 ? NAMESPACES_BINFMT : *error ? NAMESPACES_NONE : NAMESPACES_PLAIN;
}

static const char *why_no_namespaces(void)
{
    if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return "sudo sysctl kernel.unprivileged_userns_clone=1";
    if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    if (read_number("/proc/sys/user/max_user_namespaces") == 0)
        return "sudo sysctl user.max_user_namespaces=10000";
    return "in a container, its filter may forbid them";
}

static void check_namespaces(struct patient *patient)
{
    int error = 0;
    switch (try_namespaces(&error)) {
    case NAMESPACES_NONE:
        say(patient, NOTE, "no user namespaces (%s), which xemu run-root and rootless containers need: %s",
            strerror(error), why_no_namespaces());
        return;
    case NAMESPACES_PLAIN:
        say(patient, NOTE,
            "no private binfmt_misc in user namespaces (Linux 6.7 has it): xemu run-root does without");
        break;
    case NAMESPACES_BINFMT:
        say(patient, GOOD, "user namespaces have a binfmt_misc of their own: xemu run-root needs no root");
    }
    if (!in_first_namespace())
        say(patient, NOTE, "this is a user namespace: what is registered here counts only here and below");
}

static void check_id_maps(struct patient *patient)
{
    bool helpers = access("/usr/bin/newuidmap", X_OK) == 0 && access("/etc/subuid", R_OK) == 0;
    if (geteuid() != 0 && !helpers)
        say(patient, NOTE,
            "no newuidmap: systems under xemu run-root have one user only, and package managers that "
            "want more fail: install uidmap");
}

int command_doctor(int argc, char **argv)
{
    static void (*const checks[])(struct patient *) = {
        check_kernel,  check_binary,        check_mounted, check_handlers, check_answer, check_namespaces,
        check_id_maps, check_mmap_min_addr, check_limits,  check_seccomp,  check_noexec,
    };
    (void)argc, (void)argv;
    struct patient patient = {.place = choice_value(CHOICE_doctor_mount)};
    if (!patient.place)
        patient.place = BINFMT_PLACE;
    probe_answer(&patient.answer);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](&patient);
    free(patient.binary);
    return patient.bad ? STATUS_FAILED : 0;
}
