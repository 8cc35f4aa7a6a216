/* --strace: how each letter of syscalls.def shows its argument. */
#include <xemu/fault.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "strace.h"
#include "task.h"

enum { SHOWN_BYTES = 32, SHOWN_PATH = 256, SHOWN_ARGS = 8 };

/* A bit or value with its name. */
struct name {
    uint64_t value;
    const char *text;
};

/* clang-format off */
#define NAME(x) {x, #x}
#define GUEST_NAME(x) {ARM64_##x, #x}

static const struct name open_names[] = {
    NAME(O_WRONLY), NAME(O_RDWR), NAME(O_CREAT), NAME(O_EXCL), NAME(O_NOCTTY), NAME(O_TRUNC), NAME(O_APPEND),
    NAME(O_NONBLOCK), NAME(O_DSYNC), NAME(O_ASYNC), GUEST_NAME(O_DIRECTORY), GUEST_NAME(O_NOFOLLOW),
    GUEST_NAME(O_DIRECT), GUEST_NAME(O_LARGEFILE), NAME(O_NOATIME), NAME(O_CLOEXEC), NAME(O_PATH),
};
static const struct name at_names[] = {
    NAME(AT_SYMLINK_NOFOLLOW), NAME(AT_REMOVEDIR), NAME(AT_SYMLINK_FOLLOW), NAME(AT_NO_AUTOMOUNT),
    NAME(AT_EMPTY_PATH),
};
static const struct name prot_names[] = {
    NAME(PROT_READ), NAME(PROT_WRITE), NAME(PROT_EXEC), {GUEST_PROT_BTI, "PROT_BTI"}, {ARM64_PROT_MTE, "PROT_MTE"},
};
static const struct name map_names[] = {
    NAME(MAP_SHARED), NAME(MAP_PRIVATE), NAME(MAP_FIXED), NAME(MAP_ANONYMOUS), NAME(MAP_GROWSDOWN),
    NAME(MAP_DENYWRITE), NAME(MAP_LOCKED), NAME(MAP_NORESERVE), NAME(MAP_POPULATE), NAME(MAP_NONBLOCK),
    NAME(MAP_STACK), NAME(MAP_HUGETLB), NAME(MAP_FIXED_NOREPLACE),
};
static const struct name clone_names[] = {
    NAME(CLONE_VM), NAME(CLONE_FS), NAME(CLONE_FILES), NAME(CLONE_SIGHAND), NAME(CLONE_PIDFD), NAME(CLONE_PTRACE),
    NAME(CLONE_VFORK), NAME(CLONE_PARENT), NAME(CLONE_THREAD), NAME(CLONE_NEWNS), NAME(CLONE_SYSVSEM),
    NAME(CLONE_SETTLS), NAME(CLONE_PARENT_SETTID), NAME(CLONE_CHILD_CLEARTID), NAME(CLONE_UNTRACED),
    NAME(CLONE_CHILD_SETTID), NAME(CLONE_NEWCGROUP), NAME(CLONE_NEWUTS), NAME(CLONE_NEWIPC), NAME(CLONE_NEWUSER),
    NAME(CLONE_NEWPID), NAME(CLONE_NEWNET), NAME(CLONE_IO),
};
static const struct name fcntl_names[] = {
    NAME(F_DUPFD), NAME(F_GETFD), NAME(F_SETFD), NAME(F_GETFL), NAME(F_SETFL), NAME(F_GETLK), NAME(F_SETLK),
    NAME(F_SETLKW), NAME(F_SETOWN), NAME(F_GETOWN), NAME(F_DUPFD_CLOEXEC), NAME(F_SETPIPE_SZ), NAME(F_GETPIPE_SZ),
    NAME(F_ADD_SEALS), NAME(F_GET_SEALS), NAME(F_OFD_SETLK), NAME(F_OFD_SETLKW), NAME(F_OFD_GETLK),
};
static const struct name whence_names[] = {NAME(SEEK_SET), NAME(SEEK_CUR), NAME(SEEK_END), NAME(SEEK_DATA), NAME(SEEK_HOLE)};
static const struct name clock_names[] = {
    NAME(CLOCK_REALTIME), NAME(CLOCK_MONOTONIC), NAME(CLOCK_PROCESS_CPUTIME_ID), NAME(CLOCK_THREAD_CPUTIME_ID),
    NAME(CLOCK_MONOTONIC_RAW), NAME(CLOCK_REALTIME_COARSE), NAME(CLOCK_MONOTONIC_COARSE), NAME(CLOCK_BOOTTIME),
};
static const struct name futex_names[] = {
    {0, "FUTEX_WAIT"}, {1, "FUTEX_WAKE"}, {3, "FUTEX_REQUEUE"}, {4, "FUTEX_CMP_REQUEUE"}, {5, "FUTEX_WAKE_OP"},
    {6, "FUTEX_LOCK_PI"}, {7, "FUTEX_UNLOCK_PI"}, {8, "FUTEX_TRYLOCK_PI"}, {9, "FUTEX_WAIT_BITSET"},
    {10, "FUTEX_WAKE_BITSET"},
};
static const struct name signal_names[] = {
    NAME(SIGHUP), NAME(SIGINT), NAME(SIGQUIT), NAME(SIGILL), NAME(SIGTRAP), NAME(SIGABRT), NAME(SIGBUS),
    NAME(SIGFPE), NAME(SIGKILL), NAME(SIGUSR1), NAME(SIGSEGV), NAME(SIGUSR2), NAME(SIGPIPE), NAME(SIGALRM),
    NAME(SIGTERM), NAME(SIGSTKFLT), NAME(SIGCHLD), NAME(SIGCONT), NAME(SIGSTOP), NAME(SIGTSTP), NAME(SIGTTIN),
    NAME(SIGTTOU), NAME(SIGURG), NAME(SIGXCPU), NAME(SIGXFSZ), NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGWINCH),
    NAME(SIGIO), NAME(SIGPWR), NAME(SIGSYS),
};

/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof *(table))

const char *strace_errno(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "E?";
}

const char *strace_signal_name(int signo)
{
    static _Thread_local char other[16];
    for (size_t i = 0; i < COUNT(signal_names); i++) {
        if (signal_names[i].value == (uint64_t)signo)
            return signal_names[i].text;
    }
    snprintf(other, sizeof other, signo >= 32 ? "SIGRT_%d" : "SIG%d", signo >= 32 ? signo - 32 : signo);
    return other;
}

static void add_bits(struct line *line, uint64_t value, const struct name *names, size_t count,
                     const char *none)
{
    const char *between = "";
    if (!value)
        line_add(line, "%s", none);
    for (size_t i = 0; i < count; i++) {
        if ((value & names[i].value) != names[i].value)
            continue;
        line_add(line, "%s%s", between, names[i].text);
        value &= ~names[i].value;
        between = "|";
    }
    if (value)
        line_add(line, "%s%#lx", between, value);
}

static void add_name(struct line *line, uint64_t value, const struct name *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].value == value) {
            line_add(line, "%s", names[i].text);
            return;
        }
    }
    line_add(line, "%ld", (int64_t)value);
}

static void add_address(struct line *line, uint64_t value)
{
    if (value)
        line_add(line, "%#lx", value);
    else
        line_add(line, "NULL");
}

static void add_quoted(struct line *line, const char *bytes, size_t count, bool more)
{
    line_add(line, "\"");
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n')
            line_add(line, "\\n");
        else if (c == '"' || c == '\\')
            line_add(line, "\\%c", c);
        else if (c >= ' ' && c < 0x7f)
            line_add(line, "%c", c);
        else
            line_add(line, "\\x%02x", c);
    }
    line_add(line, more ? "\"..." : "\"");
}

static void add_string(struct line *line, uint64_t addr)
{
    char text[SHOWN_PATH];
    long length = addr ? guest_copy_string(text, addr, sizeof text) : -EFAULT;
    if (length == -ENAMETOOLONG && guest_copy_in(text, addr, sizeof text) == 0)
        add_quoted(line, text, sizeof text, true);
    else if (length < 0)
        add_address(line, addr);
    else
        add_quoted(line, text, (size_t)length, false);
}

static void add_bytes(struct line *line, uint64_t addr, int64_t count)
{
    char text[SHOWN_BYTES];
    size_t shown = count < 0 ? 0 : count < SHOWN_BYTES ? (size_t)count : SHOWN_BYTES;
    if (!addr || guest_copy_in(text, addr, shown))
        add_address(line, addr);
    else
        add_quoted(line, text, shown, (size_t)count > shown);
}

static void add_vector(struct line *line, uint64_t addr)
{
    uint64_t string = 0;
    line_add(line, "[");
    for (int i = 0; addr && guest_copy_in(&string, addr, sizeof string) == 0 && string; i++, addr += 8) {
        line_add(line, i ? ", " : "");
        if (i == SHOWN_ARGS) {
            line_add(line, "...");
            break;
        }
        add_string(line, string);
    }
    line_add(line, "]");
}

static void add_timespec(struct line *line, uint64_t addr)
{
    struct timespec time;
    if (!addr || guest_copy_in(&time, addr, sizeof time))
        add_address(line, addr);
    else
        line_add(line, "{%ld, %ld}", time.tv_sec, time.tv_nsec);
}

static void add_sigset(struct line *line, uint64_t addr)
{
    uint64_t set;
    const char *between = "";
    if (!addr || guest_copy_in(&set, addr, sizeof set)) {
        add_address(line, addr);
        return;
    }
    bool most = __builtin_popcountll(set) > NSIG64 / 2; /* then those that are missing are shorter */
    line_add(line, most ? "~[" : "[");
    for (int signo = 1; signo <= NSIG64; signo++) {
        if (!(set & SIGBIT(signo)) == most) {
            line_add(line, "%s%s", between, strace_signal_name(signo));
            between = " ";
        }
    }
    line_add(line, "]");
}

static void add_status(struct line *line, uint64_t addr, int64_t result)
{
    int status;
    if (result <= 0 || !addr || guest_copy_in(&status, addr, sizeof status))
        add_address(line, addr);
    else
        line_add(line, "[%#x]", (unsigned)status);
}

static void add_clone(struct line *line, uint64_t flags)
{
    add_bits(line, flags & ~0xffull, clone_names, COUNT(clone_names), "0");
    if (flags & 0xff)
        line_add(line, "|%s", strace_signal_name((int)(flags & 0xff)));
}

static void add_futex(struct line *line, uint64_t op)
{
    add_name(line, op & 0x7f, futex_names, COUNT(futex_names));
    line_add(line, "%s%s", op & 128 ? "|PRIVATE" : "", op & 256 ? "|CLOCK_REALTIME" : "");
}

static void add_descriptor(struct line *line, uint64_t fd)
{
    if ((int)fd == AT_FDCWD)
        line_add(line, "AT_FDCWD");
    else
        line_add(line, "%d", (int)fd);
}

void strace_argument(struct line *line, char letter, const uint64_t *arg, int64_t result, bool done)
{
    uint64_t value = *arg;
    /* clang-format off */
    switch (letter) {
    case 'i': line_add(line, "%d", (int)value); break;
    case 'u': line_add(line, "%lu", value); break;
    case 'o': line_add(line, "0%o", (unsigned)value); break;
    case 'a': add_address(line, value); break;
    case 'f': line_add(line, "%d", (int)value); break;
    case 'd': add_descriptor(line, value); break;
    case 'p':
    case 'l':
    case 's': add_string(line, value); break;
    case 'b': add_bytes(line, value, (int64_t)arg[1]); break;
    case 'B': add_bytes(line, done && result > 0 ? value : 0, result); break;
    case 'F': add_bits(line, value, open_names, COUNT(open_names), "O_RDONLY"); break;
    case 'A': add_bits(line, value, at_names, COUNT(at_names), "0"); break;
    case 'P': add_bits(line, value, prot_names, COUNT(prot_names), "PROT_NONE"); break;
    case 'M': add_bits(line, value, map_names, COUNT(map_names), "0"); break;
    case 'C': add_clone(line, value); break;
    case 'S': line_add(line, "%s", strace_signal_name((int)value)); break;
    case 'm': add_sigset(line, value); break;
    case 't': add_timespec(line, value); break;
    case 'c': add_name(line, value, fcntl_names, COUNT(fcntl_names)); break;
    case 'k': add_name(line, value, clock_names, COUNT(clock_names)); break;
    case 'q': add_futex(line, value); break;
    case 'h': add_name(line, value, whence_names, COUNT(whence_names)); break;
    case 'v': add_vector(line, value); break;
    case 'w': add_status(line, value, done ? result : 0); break;
    default: line_add(line, "%#lx", value); break;
    }
    /* clang-format on */
}
